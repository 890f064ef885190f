import { randomUUID } from 'node:crypto';
import type { Database } from '../../src/platform/database/database.ts';
import * as build from '../support/factories.ts';

/** Who asks. `user` owns what is asked for; `disabled` shows the token of an account that was disabled since. */
export const ASKERS = ['anonymous', 'user', 'other', 'disabled', 'admin', 'agent'] as const;
export type Asker = (typeof ASKERS)[number];

/** `ok`: the field has a value. `null`: it has none, and there is no error. Else the code of the refusal. */
export type Outcome = 'ok' | 'null' | (string & {});

export interface Permission {
  /** The field as it is asked for; `$name` is one of the things. */
  ask: string;
  expected: Record<Asker, Outcome>;
  /** Makes what is asked for, and has `user` own it where it can be owned. */
  given?: (db: Database, userId: string) => Promise<Record<string, string>>;
}

const everybody = (outcome: Outcome): Permission['expected'] => ({
  anonymous: outcome,
  user: outcome,
  other: outcome,
  disabled: outcome,
  admin: outcome,
  agent: outcome,
});
/** Whoever has logged in, for himself. */
const signedIn = (outcome: Outcome = 'ok'): Permission['expected'] => ({
  anonymous: 'UNAUTHENTICATED',
  user: outcome,
  other: outcome,
  disabled: 'UNAUTHENTICATED',
  admin: outcome,
  agent: 'FORBIDDEN',
});
/** To others it is not there. */
const owner = (admin: Outcome = 'NOT_FOUND'): Permission['expected'] => ({
  ...signedIn(),
  other: 'NOT_FOUND',
  admin,
});
const admins = (outcome: Outcome = 'ok'): Permission['expected'] => ({
  ...signedIn('FORBIDDEN'),
  admin: outcome,
});
const agents = (outcome: Outcome = 'ok'): Permission['expected'] => ({
  ...signedIn('FORBIDDEN'),
  agent: outcome,
});
/** A socket is refused as a whole: without a token, and with one of an ended session. */
const overSocket = (expected: Permission['expected']): Permission['expected'] => ({
  ...expected,
  disabled: 'SESSION_REVOKED',
});

const id = async (made: Promise<{ id: string }>) => ({ id: (await made).id });
const list = (field: string): Permission => ({
  ask: `${field} { nodes { __typename } }`,
  expected: admins(),
});

/** What each root field answers to whom. The rows of fields that are not built yet wait for them. */
export const PERMISSIONS: Record<string, Permission> = {
  'Query.globalConfig': { ask: 'globalConfig { name }', expected: everybody('ok') },
  'Query.ads': { ask: 'ads { nodes { id } }', expected: everybody('ok') },
  'Query.plans': { ask: 'plans { id }', expected: everybody('ok') },
  'Query.viewer': {
    ask: 'viewer { id }',
    expected: { ...signedIn(), anonymous: 'null' },
  },
  'Query.order': {
    ask: 'order(id: $id) { id plan { id } }',
    expected: owner('ok'),
    given: (db, userId) => id(build.buildOrder(db, { userId })),
  },
  'Query.previewRedemption': {
    ask: 'previewRedemption(code: "NEVERMADETHISCODE") { isNew }',
    expected: signedIn('CODE_NOT_FOUND'),
  },
  'Query.pendingBinding': {
    ask: 'pendingBinding(token: "never given to anybody") { deviceLimit }',
    expected: everybody('NOT_FOUND'),
  },
  'Query.serverConfig': { ask: 'serverConfig { serverId }', expected: agents() },
  'Query.serverUsers': { ask: 'serverUsers { revision }', expected: agents() },
  'Query.users': list('users'),
  'Query.user': {
    ask: 'user(id: $id) { id }',
    expected: admins(),
    given: async (_db, userId) => ({ id: userId }),
  },
  'Query.allPlans': list('allPlans'),
  'Query.redemptionCodes': list('redemptionCodes'),
  'Query.redemptionBatches': list('redemptionBatches'),
  'Query.redemptions': list('redemptions'),
  'Query.orders': list('orders'),
  'Query.devices': list('devices'),
  'Query.subscriptions': list('subscriptions'),
  'Query.servers': list('servers'),
  'Query.nodes': list('nodes'),
  'Query.allAds': list('allAds'),
  'Query.siteSettings': { ask: 'siteSettings { name }', expected: admins() },
  'Query.auditLog': list('auditLog'),
  'Query.queueStatus': { ask: 'queueStatus { waiting }', expected: admins() },
  'Query.statistics': { ask: 'statistics { at }', expected: admins() },

  'Mutation.deviceChallenge': {
    ask: 'deviceChallenge(identifier: "device-of-nobody") { nonce }',
    expected: everybody('ok'),
  },
  'Mutation.deviceLogin': {
    ask: 'deviceLogin(input: { identifier: "device-of-nobody" }) { accessToken }',
    expected: everybody('DEVICE_PROOF_REQUIRED'),
  },
  'Mutation.register': {
    ask: 'register(input: { email: "no address", password: "correct horse battery" }) { accessToken }',
    expected: everybody('BAD_USER_INPUT'),
  },
  'Mutation.login': {
    ask: 'login(input: { email: "nobody@example.test", password: "wrong" }) { accessToken }',
    expected: everybody('INVALID_CREDENTIALS'),
  },
  'Mutation.refreshSession': {
    ask: 'refreshSession(refreshToken: "none of ours") { accessToken }',
    expected: everybody('UNAUTHENTICATED'),
  },
  'Mutation.logout': { ask: 'logout', expected: signedIn() },
  'Mutation.revokeSession': {
    ask: 'revokeSession(id: $id) { id }',
    expected: owner(),
    given: (db, userId) => id(build.buildSession(db, { userId })),
  },
  'Mutation.createLinkCode': { ask: 'createLinkCode { code }', expected: signedIn() },
  'Mutation.changePassword': {
    ask: 'changePassword(input: { currentPassword: "wrong", newPassword: "correct horse battery" }) { id }',
    expected: signedIn('INVALID_CREDENTIALS'),
  },
  'Mutation.addEmail': {
    ask: 'addEmail(input: { email: "no address", password: "correct horse battery" }) { id }',
    expected: signedIn('BAD_USER_INPUT'),
  },
  'Mutation.deleteAccount': { ask: 'deleteAccount { id }', expected: signedIn() },
  'Mutation.updateDevice': {
    ask: 'updateDevice(id: $id, input: { name: "mine" }) { id }',
    expected: owner(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.unbindDevice': {
    ask: 'unbindDevice(id: $id) { id }',
    expected: owner(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.rotateSubscriptionCredentials': {
    ask: 'rotateSubscriptionCredentials(id: $id) { id }',
    expected: owner('ok'),
    given: (db, userId) => id(build.buildSubscription(db, { userId })),
  },
  'Mutation.redeemCode': {
    ask: 'redeemCode(input: { code: "NEVERMADETHISCODE" }) { id }',
    expected: signedIn('CODE_NOT_FOUND'),
  },
  'Mutation.confirmServerUsers': { ask: 'confirmServerUsers(revision: "0")', expected: agents() },
  'Mutation.reportTraffic': {
    ask: 'reportTraffic(input: { bootId: $id, sequence: "1", entries: [] }) { applied }',
    expected: agents(),
    given: async () => ({ id: randomUUID() }),
  },
  'Mutation.reportOnline': { ask: 'reportOnline(input: { entries: [] })', expected: agents() },
  'Mutation.reportServerStatus': {
    ask: 'reportServerStatus(input: { cpu: 0.5, memory: 0.5, disk: 0.5, version: "1.0.0" })',
    expected: agents(),
  },
  'Mutation.createPlan': { ask: 'createPlan(input: { name: "Basic" }) { id }', expected: admins() },
  'Mutation.updatePlan': {
    ask: 'updatePlan(id: $id, input: { name: "Basic" }) { id }',
    expected: admins(),
    given: (db) => id(build.buildPlan(db)),
  },
  'Mutation.deletePlan': {
    ask: 'deletePlan(id: $id) { id }',
    expected: admins(),
    given: (db) => id(build.buildPlan(db)),
  },
  'Mutation.createRedemptionCodes': {
    ask: 'createRedemptionCodes(input: { planId: $id, unitTime: MONTH, quantity: 1, count: 1 }) { id }',
    expected: admins(),
    given: (db) => id(build.buildPlan(db)),
  },
  'Mutation.updateRedemptionCode': {
    ask: 'updateRedemptionCode(id: $id, input: { enabled: false }) { enabled }',
    expected: admins(),
    given: (db) => id(build.buildCode(db)),
  },
  'Mutation.setRedemptionCodesEnabled': {
    ask: 'setRedemptionCodesEnabled(ids: [$id], enabled: false)',
    expected: admins(),
    given: (db) => id(build.buildCode(db)),
  },
  'Mutation.deleteRedemptionCodes': {
    ask: 'deleteRedemptionCodes(ids: [$id])',
    expected: admins(),
    given: (db) => id(build.buildCode(db)),
  },
  'Mutation.retryOrders': {
    ask: 'retryOrders(ids: [$id]) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildOrder(db, { userId, status: 'FAILED' })),
  },
  'Mutation.setUserEnabled': {
    ask: 'setUserEnabled(id: $id, enabled: false) { id }',
    expected: admins(),
    given: async (_db, userId) => ({ id: userId }),
  },
  'Mutation.deleteUser': {
    ask: 'deleteUser(id: $id) { id }',
    expected: admins(),
    given: async (_db, userId) => ({ id: userId }),
  },
  'Mutation.setDeviceEnabled': {
    ask: 'setDeviceEnabled(id: $id, enabled: false) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.kickDevice': {
    ask: 'kickDevice(id: $id) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.deleteDevice': {
    ask: 'deleteDevice(id: $id) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.updateUserSubscription': {
    ask: 'updateUserSubscription(id: $id, input: { status: STOPPED }) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildSubscription(db, { userId })),
  },
  'Mutation.createServer': {
    ask: 'createServer(input: { name: "One", address: "192.0.2.1" }) { token }',
    expected: admins(),
  },
  'Mutation.updateServer': {
    ask: 'updateServer(id: $id, input: { name: "One" }) { id }',
    expected: admins(),
    given: (db) => id(build.buildServer(db)),
  },
  'Mutation.rotateServerToken': {
    ask: 'rotateServerToken(id: $id) { token }',
    expected: admins(),
    given: (db) => id(build.buildServer(db)),
  },
  'Mutation.deleteServer': {
    ask: 'deleteServer(id: $id) { id }',
    expected: admins(),
    given: (db) => id(build.buildServer(db)),
  },
  'Mutation.createNode': {
    ask: 'createNode(input: { serverId: $id, name: "A", protocol: SHADOWSOCKS, port: 8388, clientConfig: { method: "aes-256-gcm" } }) { id }',
    expected: admins(),
    given: (db) => id(build.buildServer(db)),
  },
  'Mutation.updateNode': {
    ask: 'updateNode(id: $id, input: { name: "A" }) { id }',
    expected: admins(),
    given: (db) => id(build.buildNode(db)),
  },
  'Mutation.deleteNode': {
    ask: 'deleteNode(id: $id) { id }',
    expected: admins(),
    given: (db) => id(build.buildNode(db)),
  },
  'Mutation.createAd': {
    ask: 'createAd(input: { type: "banner", title: "A", description: "B", content: "C" }) { id }',
    expected: admins(),
  },
  'Mutation.updateAd': {
    ask: 'updateAd(id: $id, input: { title: "A" }) { id }',
    expected: admins(),
    given: (db) => id(build.buildAd(db)),
  },
  'Mutation.deleteAd': {
    ask: 'deleteAd(id: $id) { id }',
    expected: admins(),
    given: (db) => id(build.buildAd(db)),
  },
  'Mutation.updateSite': { ask: 'updateSite(input: { name: "Ours" }) { name }', expected: admins() },
  'Mutation.rotateTransportKey': { ask: 'rotateTransportKey { kid }', expected: admins() },

  'Subscription.viewerChanged': { ask: 'viewerChanged { id }', expected: overSocket(signedIn()) },
  'Subscription.orderStatusChanged': {
    ask: 'orderStatusChanged(id: $id) { id status }',
    expected: overSocket(owner('ok')),
    given: (db, userId) => id(build.buildOrder(db, { userId })),
  },
  'Subscription.serverUsersChanged': {
    ask: 'serverUsersChanged { revision }',
    expected: overSocket(agents()),
  },
  'Subscription.statisticsChanged': { ask: 'statisticsChanged { at }', expected: overSocket(admins()) },
  'Subscription.batchProgressChanged': {
    ask: 'batchProgressChanged(id: $id) { ready }',
    expected: overSocket(admins()),
    given: (db) => id(build.buildBatch(db)),
  },
};
