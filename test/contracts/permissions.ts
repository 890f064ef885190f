import { randomUUID } from 'node:crypto';
import type { Database } from '../../src/platform/database/database.ts';
import * as build from '../support/factories.ts';

/**
 * Kinds of callers. `user` owns the requested object; `disabled` has a token of a disabled account.
 */
export const CALLERS = ['anonymous', 'user', 'other', 'disabled', 'admin', 'agent'] as const;
export type Caller = (typeof CALLERS)[number];

/** `ok`: a value; `null`: null without an error; otherwise the expected error code. */
export type Outcome = 'ok' | 'null' | (string & {});

export interface Permission {
  /** The requested field; `$name` refers to a value that `given` returns. */
  selection: string;
  expected: Record<Caller, Outcome>;
  /** Creates the requested object, owned by `user` if it has an owner. */
  given?: (db: Database, userId: string) => Promise<Record<string, string>>;
}

const everyCaller = (outcome: Outcome): Permission['expected'] => ({
  anonymous: outcome,
  user: outcome,
  other: outcome,
  disabled: outcome,
  admin: outcome,
  agent: outcome,
});
/** Signed-in users, for their own data. */
const signedIn = (outcome: Outcome = 'ok'): Permission['expected'] => ({
  anonymous: 'UNAUTHENTICATED',
  user: outcome,
  other: outcome,
  disabled: 'UNAUTHENTICATED',
  admin: outcome,
  agent: 'FORBIDDEN',
});
/** The owner; other users get NOT_FOUND. */
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
/** Over a websocket, a revoked session closes the whole socket. */
const overSocket = (expected: Permission['expected']): Permission['expected'] => ({
  ...expected,
  disabled: 'SESSION_REVOKED',
});

const id = async (made: Promise<{ id: string }>) => ({ id: (await made).id });
const list = (field: string): Permission => ({
  selection: `${field} { nodes { __typename } }`,
  expected: admins(),
});

/** The expected outcome of each root field for each kind of caller. */
export const PERMISSIONS: Record<string, Permission> = {
  'Query.globalConfig': { selection: 'globalConfig { name }', expected: everyCaller('ok') },
  'Query.ads': { selection: 'ads { nodes { id } }', expected: everyCaller('ok') },
  'Query.plans': { selection: 'plans { id }', expected: everyCaller('ok') },
  'Query.viewer': {
    selection: 'viewer { id }',
    expected: { ...signedIn(), anonymous: 'null' },
  },
  'Query.order': {
    selection: 'order(id: $id) { id plan { id } }',
    expected: owner('ok'),
    given: (db, userId) => id(build.buildOrder(db, { userId })),
  },
  'Query.previewRedemption': {
    selection: 'previewRedemption(code: "NEVERMADETHISCODE") { isNew }',
    expected: signedIn('CODE_NOT_FOUND'),
  },
  'Query.pendingBinding': {
    selection: 'pendingBinding(token: "never given to anybody") { deviceLimit }',
    expected: everyCaller('NOT_FOUND'),
  },
  'Query.serverConfig': { selection: 'serverConfig { serverId }', expected: agents() },
  'Query.serverUsers': { selection: 'serverUsers { revision }', expected: agents() },
  'Query.users': list('users'),
  'Query.user': {
    selection: 'user(id: $id) { id }',
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
  'Query.siteSettings': { selection: 'siteSettings { name }', expected: admins() },
  'Query.auditLog': list('auditLog'),
  'Query.queueStatus': { selection: 'queueStatus { waiting }', expected: admins() },
  'Query.statistics': { selection: 'statistics { at }', expected: admins() },

  'Mutation.deviceChallenge': {
    selection: 'deviceChallenge(identifier: "device-of-nobody") { nonce }',
    expected: everyCaller('ok'),
  },
  'Mutation.deviceLogin': {
    selection: 'deviceLogin(input: { identifier: "device-of-nobody" }) { accessToken }',
    expected: everyCaller('DEVICE_PROOF_REQUIRED'),
  },
  'Mutation.register': {
    selection: 'register(input: { email: "no address", password: "correct horse battery" }) { accessToken }',
    expected: everyCaller('BAD_USER_INPUT'),
  },
  'Mutation.login': {
    selection: 'login(input: { email: "nobody@example.test", password: "wrong" }) { accessToken }',
    expected: everyCaller('INVALID_CREDENTIALS'),
  },
  'Mutation.refreshSession': {
    selection: 'refreshSession(refreshToken: "none of ours") { accessToken }',
    expected: everyCaller('UNAUTHENTICATED'),
  },
  'Mutation.logout': { selection: 'logout', expected: signedIn() },
  'Mutation.revokeSession': {
    selection: 'revokeSession(id: $id) { id }',
    expected: owner(),
    given: (db, userId) => id(build.buildSession(db, { userId })),
  },
  'Mutation.createLinkCode': { selection: 'createLinkCode { code }', expected: signedIn() },
  'Mutation.changePassword': {
    selection:
      'changePassword(input: { currentPassword: "wrong", newPassword: "correct horse battery" }) { id }',
    expected: signedIn('INVALID_CREDENTIALS'),
  },
  'Mutation.addEmail': {
    selection: 'addEmail(input: { email: "no address", password: "correct horse battery" }) { id }',
    expected: signedIn('BAD_USER_INPUT'),
  },
  'Mutation.changeEmail': {
    selection: 'changeEmail(input: { email: "me@example.test", password: "wrong" }) { id }',
    expected: signedIn('INVALID_CREDENTIALS'),
  },
  'Mutation.removeEmail': {
    selection: 'removeEmail(password: "wrong") { id }',
    expected: signedIn('INVALID_CREDENTIALS'),
  },
  'Mutation.deleteAccount': { selection: 'deleteAccount { id }', expected: signedIn() },
  'Mutation.updateDevice': {
    selection: 'updateDevice(id: $id, input: { name: "mine" }) { id }',
    expected: owner(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.unbindDevice': {
    selection: 'unbindDevice(id: $id) { id }',
    expected: owner(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.rotateSubscriptionCredentials': {
    selection: 'rotateSubscriptionCredentials(id: $id) { id }',
    expected: owner('ok'),
    given: (db, userId) => id(build.buildSubscription(db, { userId })),
  },
  'Mutation.redeemCode': {
    selection: 'redeemCode(input: { code: "NEVERMADETHISCODE" }) { id }',
    expected: signedIn('CODE_NOT_FOUND'),
  },
  'Mutation.confirmServerUsers': { selection: 'confirmServerUsers(revision: "0")', expected: agents() },
  'Mutation.reportTraffic': {
    selection: 'reportTraffic(input: { bootId: $id, sequence: "1", entries: [] }) { applied }',
    expected: agents(),
    given: async () => ({ id: randomUUID() }),
  },
  'Mutation.reportOnlineUsers': {
    selection: 'reportOnlineUsers(input: { entries: [] }) { connected }',
    expected: agents(),
  },
  'Mutation.reportOnline': { selection: 'reportOnline(input: { entries: [] })', expected: agents() },
  'Mutation.reportServerStatus': {
    selection: 'reportServerStatus(input: { cpu: 0.5, memory: 0.5, disk: 0.5, version: "1.0.0" })',
    expected: agents(),
  },
  'Mutation.createPlan': { selection: 'createPlan(input: { name: "Basic" }) { id }', expected: admins() },
  'Mutation.updatePlan': {
    selection: 'updatePlan(id: $id, input: { name: "Basic" }) { id }',
    expected: admins(),
    given: (db) => id(build.buildPlan(db)),
  },
  'Mutation.deletePlan': {
    selection: 'deletePlan(id: $id) { id }',
    expected: admins(),
    given: (db) => id(build.buildPlan(db)),
  },
  'Mutation.createRedemptionCodes': {
    selection: 'createRedemptionCodes(input: { planId: $id, unitTime: MONTH, quantity: 1, count: 1 }) { id }',
    expected: admins(),
    given: (db) => id(build.buildPlan(db)),
  },
  'Mutation.updateRedemptionCode': {
    selection: 'updateRedemptionCode(id: $id, input: { enabled: false }) { enabled }',
    expected: admins(),
    given: (db) => id(build.buildCode(db)),
  },
  'Mutation.setRedemptionCodesEnabled': {
    selection: 'setRedemptionCodesEnabled(ids: [$id], enabled: false)',
    expected: admins(),
    given: (db) => id(build.buildCode(db)),
  },
  'Mutation.deleteRedemptionCodes': {
    selection: 'deleteRedemptionCodes(ids: [$id])',
    expected: admins(),
    given: (db) => id(build.buildCode(db)),
  },
  'Mutation.retryOrders': {
    selection: 'retryOrders(ids: [$id]) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildOrder(db, { userId, status: 'FAILED' })),
  },
  'Mutation.setUserEmail': {
    selection: 'setUserEmail(id: $id, email: $email) { id }',
    expected: admins(),
    given: async (db, userId) => {
      await build.buildIdentity(db, { userId, type: 'EMAIL' });
      return { id: userId, email: `${build.unique('user')}@example.test` };
    },
  },
  'Mutation.setUserEnabled': {
    selection: 'setUserEnabled(id: $id, enabled: false) { id }',
    expected: admins(),
    given: async (_db, userId) => ({ id: userId }),
  },
  'Mutation.deleteUser': {
    selection: 'deleteUser(id: $id) { id }',
    expected: admins(),
    given: async (_db, userId) => ({ id: userId }),
  },
  'Mutation.setDeviceEnabled': {
    selection: 'setDeviceEnabled(id: $id, enabled: false) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.kickDevice': {
    selection: 'kickDevice(id: $id) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.deleteDevice': {
    selection: 'deleteDevice(id: $id) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildDevice(db, { userId })),
  },
  'Mutation.updateUserSubscription': {
    selection: 'updateUserSubscription(id: $id, input: { status: STOPPED }) { id }',
    expected: admins(),
    given: (db, userId) => id(build.buildSubscription(db, { userId })),
  },
  'Mutation.createServer': {
    selection: 'createServer(input: { name: "One", address: "192.0.2.1" }) { token }',
    expected: admins(),
  },
  'Mutation.updateServer': {
    selection: 'updateServer(id: $id, input: { name: "One" }) { id }',
    expected: admins(),
    given: (db) => id(build.buildServer(db)),
  },
  'Mutation.rotateServerToken': {
    selection: 'rotateServerToken(id: $id) { token }',
    expected: admins(),
    given: (db) => id(build.buildServer(db)),
  },
  'Mutation.deleteServer': {
    selection: 'deleteServer(id: $id) { id }',
    expected: admins(),
    given: (db) => id(build.buildServer(db)),
  },
  'Mutation.createNode': {
    selection:
      'createNode(input: { serverId: $id, name: "A", protocol: SHADOWSOCKS, port: 8388, clientConfig: { method: "aes-256-gcm" } }) { id }',
    expected: admins(),
    given: (db) => id(build.buildServer(db)),
  },
  'Mutation.updateNode': {
    selection: 'updateNode(id: $id, input: { name: "A" }) { id }',
    expected: admins(),
    given: (db) => id(build.buildNode(db)),
  },
  'Mutation.deleteNode': {
    selection: 'deleteNode(id: $id) { id }',
    expected: admins(),
    given: (db) => id(build.buildNode(db)),
  },
  'Mutation.createAd': {
    selection: 'createAd(input: { type: "banner", title: "A", description: "B", content: "C" }) { id }',
    expected: admins(),
  },
  'Mutation.updateAd': {
    selection: 'updateAd(id: $id, input: { title: "A" }) { id }',
    expected: admins(),
    given: (db) => id(build.buildAd(db)),
  },
  'Mutation.deleteAd': {
    selection: 'deleteAd(id: $id) { id }',
    expected: admins(),
    given: (db) => id(build.buildAd(db)),
  },
  'Mutation.updateSite': { selection: 'updateSite(input: { name: "Ours" }) { name }', expected: admins() },
  'Mutation.setLinkTemplate': {
    selection: 'setLinkTemplate(format: SURGE) { text }',
    expected: admins(),
  },
  'Query.linkTemplates': { selection: 'linkTemplates { format }', expected: admins() },
  'Mutation.rotateTransportKey': { selection: 'rotateTransportKey { kid }', expected: admins() },

  'Subscription.viewerChanged': { selection: 'viewerChanged { id }', expected: overSocket(signedIn()) },
  'Subscription.orderStatusChanged': {
    selection: 'orderStatusChanged(id: $id) { id status }',
    expected: overSocket(owner('ok')),
    given: (db, userId) => id(build.buildOrder(db, { userId })),
  },
  'Subscription.serverUsersChanged': {
    selection: 'serverUsersChanged { revision }',
    expected: overSocket(agents()),
  },
  'Subscription.devicesExceeded': {
    selection: 'devicesExceeded { subscriptionId }',
    expected: overSocket(agents()),
  },
  'Subscription.statisticsChanged': { selection: 'statisticsChanged { at }', expected: overSocket(admins()) },
  'Subscription.batchProgressChanged': {
    selection: 'batchProgressChanged(id: $id) { ready }',
    expected: overSocket(admins()),
    given: (db) => id(build.buildBatch(db)),
  },
};
