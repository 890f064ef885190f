import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createApi } from './lib/api.mjs';
import { findServer } from './lib/find-server.mjs';
import { startOwnServer } from './lib/own-server.mjs';
import { main, StepError } from './lib/steps.mjs';

// npm run demo [-- --code XXXX-XXXX-XXXX-XXXX]: a device logs in, redeems a code and watches its plan become active,
// at the server of TESSERA_URL; when none is named and none is found, at one that lives as long as the demo.

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

async function makeCode({ url, admin }) {
  if (!admin.password)
    throw new StepError(`A code to redeem is needed. Either give one:
  npm run demo -- --code XXXX-XXXX-XXXX-XXXX
(the first start of a server shows one), or have one made: set ADMIN_PASSWORD, and ADMIN_EMAIL unless it is ${admin.email}.`);
  const api = createApi(url);
  const { login } = await step(`${admin.email} logs in`, () => api.ask(LOGIN, { input: admin }));
  api.signIn(login.accessToken);
  const { plans } = await api.ask(PLANS);
  const [plan] = plans;
  if (!plan) throw new StepError('No plan is on sale. Make one first: createPlan.');
  const input = { planId: plan.id, unitTime: 'MONTH', quantity: 1, count: 1, label: 'npm run demo' };
  return step(
    'and makes a code',
    async () => {
      const { createRedemptionCodes } = await api.ask(NEW_CODE, { input });
      const { redemptionCodes } = await api.ask(CODES, { batchId: createRedemptionCodes.id });
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
    // The key makes it safe for an app to ask again when the answer is lost on the way.
    const input = { code, idempotencyKey: randomUUID() };
    const { redeemCode } = await step(
      'it redeems the code',
      () => api.ask(REDEEM, { input }),
      ({ redeemCode: order }) => `order ${order.orderNo} is ${order.status}`,
    );
    const order = await watchToTheEnd(api, redeemCode.id, sentAt);
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
    'a new device logs in',
    () => api.ask(DEVICE_LOGIN, { input }),
    ({ deviceLogin: { user } }) => `account ${user.id}`,
  );
  api.signIn(deviceLogin.accessToken);
  await step('it opens its websocket', () => api.connect());
}

/** Shows what the websocket says, until the order has come to its end. */
async function watchToTheEnd(api, id, sentAt) {
  const tooLate = setTimeout(() => void api.close(), 30_000);
  let order = { status: 'still PAID', failureCode: 'no word of its end within 30 s' };
  try {
    for await (const { orderStatusChanged } of api.watch(ORDER_CHANGES, { id })) {
      order = orderStatusChanged;
      print(performance.now() - sentAt, 'since the code was sent', `the websocket says ${order.status}`);
    }
  } finally {
    clearTimeout(tooLate);
  }
  return order;
}

function show({ plan, subscription: { status, expiresAt, trafficLimit } }) {
  const traffic = trafficLimit === null ? 'unlimited traffic' : `${BigInt(trafficLimit) / 2n ** 30n} GiB`;
  console.log(`\n${plan.name} is ${status} until ${expiresAt ?? 'further notice'}, with ${traffic}.`);
}

async function step(title, work, tell = () => '') {
  const begunAt = performance.now();
  const result = await work();
  print(performance.now() - begunAt, title, tell(result));
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
    const redeemable = code ?? (await makeCode(server));
    await redeem(server.url, redeemable);
  } finally {
    await server.stop();
  }
});
