import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createApi } from './lib/api.mjs';
import { findServer } from './lib/find-server.mjs';
import { startOwnServer } from './lib/own-server.mjs';
import { main, StepError } from './lib/steps.mjs';

// npm run demo [-- --code XXXX-XXXX-XXXX-XXXX]: logs in as a device, redeems a code and follows the
// order until the plan is active. Uses the server at TESSERA_URL or on port 4000; otherwise starts
// a temporary one.

function options() {
  try {
    return parseArgs({ options: { code: { type: 'string' } } }).values;
  } catch (error) {
    throw new StepError(`${error.message}\nUsage: npm run demo [-- --code XXXX-XXXX-XXXX-XXXX]`);
  }
}

const LOGIN = `mutation ($input: LoginInput!) { login(input: $input) { accessToken } }`;
const PLANS = `{ plans { id name } }`;
const NEW_CODE = `mutation ($input: CreateRedemptionCodesInput!) { createRedemptionCodes(input: $input) { id } }`;
const CODES = `query ($batchId: ID!) { redemptionCodes(filter: { batchId: $batchId }) { nodes { code } } }`;

async function createCode({ url, admin }) {
  if (!admin.password)
    throw new StepError(`The demo needs a code to redeem. Either pass one (the first start of a server shows one):
  npm run demo -- --code XXXX-XXXX-XXXX-XXXX
or let the demo create one: set ADMIN_PASSWORD, and ADMIN_EMAIL unless it is ${admin.email}.`);
  const api = createApi(url);
  const { login } = await step(`log in as ${admin.email}`, () => api.run(LOGIN, { input: admin }));
  api.signIn(login.accessToken);
  const { plans } = await api.run(PLANS);
  const [plan] = plans;
  if (!plan) throw new StepError('No plan is on sale. Create one first, with createPlan.');
  const input = { planId: plan.id, unitTime: 'MONTH', quantity: 1, count: 1, label: 'npm run demo' };
  return step(
    'create a code',
    async () => {
      const { createRedemptionCodes } = await api.run(NEW_CODE, { input });
      const { redemptionCodes } = await api.run(CODES, { batchId: createRedemptionCodes.id });
      return redemptionCodes.nodes[0].code;
    },
    (code) => `${code}: one month of ${plan.name}`,
  );
}

const DEVICE_LOGIN = `mutation ($input: DeviceLoginInput!) { deviceLogin(input: $input) { accessToken user { id } } }`;
const REDEEM = `mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { id orderNo status } }`;
const ORDER_CHANGES = `subscription ($id: ID!) {
  orderStatusChanged(id: $id) {
    status failureCode plan { name } subscription { status expiresAt trafficLimit }
  }
}`;

async function redeem(url, code) {
  const api = createApi(url);
  try {
    await logIn(api);
    const sentAt = performance.now();
    // The key lets an app retry safely if the response is lost.
    const input = { code, idempotencyKey: randomUUID() };
    const { redeemCode } = await step(
      'redeem the code',
      () => api.run(REDEEM, { input }),
      ({ redeemCode: order }) => `order ${order.orderNo} is ${order.status}`,
    );
    const order = await watchUntilTerminal(api, redeemCode.id, sentAt);
    if (order.status !== 'FINISHED')
      throw new StepError(`The order is ${order.status}: ${order.failureCode}.`);
    show(order);
  } finally {
    await api.close();
  }
}

async function logIn(api) {
  const input = {
    identifier: `demo-${randomUUID()}`,
    secret: randomBytes(32).toString('base64url'),
    platform: 'demo',
  };
  const { deviceLogin } = await step(
    'log in as a new device',
    () => api.run(DEVICE_LOGIN, { input }),
    ({ deviceLogin: { user } }) => `account ${user.id}`,
  );
  api.signIn(deviceLogin.accessToken);
  await step('open a websocket', () => api.connect());
}

/** Prints each message of the websocket until the order reaches a terminal status. */
async function watchUntilTerminal(api, id, sentAt) {
  const timeout = setTimeout(() => void api.close(), 30_000);
  let order = { status: 'still PAID', failureCode: 'no final status within 30 s' };
  try {
    for await (const { orderStatusChanged } of api.watch(ORDER_CHANGES, { id })) {
      order = orderStatusChanged;
      print(performance.now() - sentAt, 'after sending the code', `websocket: ${order.status}`);
    }
  } finally {
    clearTimeout(timeout);
  }
  return order;
}

function show({ plan, subscription: { status, expiresAt, trafficLimit } }) {
  const traffic = trafficLimit === null ? 'unlimited traffic' : `${BigInt(trafficLimit) / 2n ** 30n} GiB`;
  const expiry = expiresAt ? ` until ${expiresAt}` : ' and never expires';
  console.log(`\n${plan.name} is ${status}${expiry}, with ${traffic}.`);
}

async function step(title, work, describe = () => '') {
  const startedAt = performance.now();
  const result = await work();
  print(performance.now() - startedAt, title, describe(result));
  return result;
}

function print(ms, title, detail) {
  console.log(`${ms.toFixed(1).padStart(8)} ms  ${title.padEnd(30)}${detail}`.trimEnd());
}

await main(async () => {
  const { code } = options();
  const server = (await findServer()) ?? (await startOwnServer());
  try {
    console.log(`\nTessera at ${server.url}\n`);
    const redeemable = code ?? (await createCode(server));
    await redeem(server.url, redeemable);
  } finally {
    await server.stop();
  }
});
