import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PLAN_USERS_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import {
  DeleteAccountDocument,
  RegisterDocument,
  RotateSubscriptionCredentialsDocument,
  UnbindDeviceDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import {
  buildBatch,
  buildCode,
  buildOrder,
  buildPlan,
  buildSubscription,
  unique,
} from '../../../support/factories.ts';
import { anotherDevice, newDevice } from '../../../support/household.ts';
import { joiningWith, newInstallation } from '../../../support/joining.ts';

let api: TestApi;
let db: TestApi['services']['db'];
let planId: string;

beforeAll(async () => {
  api = await startTestApi();
  db = api.services.db;
  planId = (await buildPlan(db)).id;
});
afterEach(() => offerTrial(null));
afterAll(() => api?.close());

/** Changes to the admitted users. Each one prepares its data, then returns the change itself. */
const changes: Record<string, () => Promise<() => Promise<unknown>>> = {
  'an activation': async () => {
    const { id: batchId } = await buildBatch(db, { planId });
    const { id: codeId } = await buildCode(db, { batchId });
    const { id } = await buildOrder(db, { codeId });
    return () => activateOrders(api.services, [id]);
  },
  'a trial that a new device gets': async () => {
    await offerTrial(planId);
    return () => logInDevice(api.services, newInstallation());
  },
  'a trial that a new e-mail account gets': async () => {
    await offerTrial(planId);
    const input = { email: `${unique('new')}@example.test`, password: 'correct horse battery' };
    return () => api.anonymous.get(RegisterDocument, { input });
  },
  'a rotated credential': async () => {
    const phone = await newDevice(api);
    const { id } = await buildSubscription(db, { planId, userId: phone.userId });
    return () => phone.get(RotateSubscriptionCredentialsDocument, { id });
  },
  'an unbound device with credential rotation': async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    await buildSubscription(db, { planId, userId: phone.userId });
    return () => phone.get(UnbindDeviceDocument, { id: tablet.deviceId, rotateCredentials: true });
  },
  'a closed account': async () => {
    const phone = await newDevice(api);
    await buildSubscription(db, { planId, userId: phone.userId });
    return () => phone.get(DeleteAccountDocument, {});
  },
  'an account merge': async () => {
    const { newApp, joinWithConfirmations } = joiningWith(api.services);
    const [app, owner] = [await newApp(), await newApp()];
    await buildSubscription(db, { planId, userId: app.userId });
    return () => joinWithConfirmations(app, owner.userId);
  },
};

const offerTrial = (trialPlanId: string | null) =>
  db.siteSettings.update({
    where: { id: 1 },
    data: {
      trialPlanId,
      trialUnitTime: trialPlanId === null ? null : 'DAY',
      trialQuantity: trialPlanId === null ? null : 3,
    },
  });

// Without a wake-up agents get the change too, but with the poll and up to two seconds later.
describe('agents of a plan’s servers are woken by', () => {
  it.each(Object.entries(changes))('%s', async (_what, prepare) => {
    const change = await prepare();
    const woken: string[] = [];
    const stop = api.services.pubSub.onWake((topic, ids) => {
      if (topic === PLAN_USERS_CHANGED) woken.push(...ids);
    });

    await change();

    stop();
    expect(woken).toContain(planId);
  });
});
