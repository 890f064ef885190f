import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { WebSocket } from 'ws';

const REDEEM = `mutation Redeem($input: RedeemCodeInput!) {
  redeemCode(input: $input) { id orderNo status }
}`;
const WATCH = `subscription Watch($id: ID!) {
  orderStatusChanged(id: $id) {
    id status failureCode finishedAt plan { id name } subscription { id status expiresAt trafficLimit }
  }
}`;

const OPENED_AT_ONCE = 20;

/**
 * Opens apps, each with a websocket; they redeem over HTTP and follow their orders on the
 * websocket.
 */
export async function openApps(url, tokens) {
  const agent = new Agent({ keepAlive: true, maxSockets: 512 });
  const apps = [];
  // In groups: connecting all at the same time would trigger load shedding.
  for (let start = 0; start < tokens.length; start += OPENED_AT_ONCE) {
    const some = tokens.slice(start, start + OPENED_AT_ONCE);
    apps.push(...(await Promise.all(some.map((token) => openApp(url, token, agent)))));
  }
  return {
    apps,
    close: () => {
      for (const { socket } of apps) socket.terminate();
      agent.destroy();
    },
  };
}

async function openApp(url, token, agent) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const watched = new Map();
  const acknowledged = new Promise((done, fail) => {
    socket.once('open', () => sendJson(socket, { type: 'connection_init', payload: bearer(token) }));
    socket.once('error', fail).once('close', (code) => fail(new Error(`closed with ${code}`)));
    socket.on('message', (data) => onMessage(socket, watched, JSON.parse(data), done));
  });
  await acknowledged;
  return { socket, redeem: (code) => redeem({ url, token, agent, socket, watched }, code) };
}

const bearer = (token) => ({ authorization: `Bearer ${token}` });
const sendJson = (socket, message) => socket.send(JSON.stringify(message));

function onMessage(socket, watched, { type, id, payload }, acknowledge) {
  if (type === 'connection_ack') acknowledge();
  else if (type === 'ping') sendJson(socket, { type: 'pong' });
  else if (type === 'error') watched.get(id)?.fail(new Error(payload[0].extensions.code));
  else if (type === 'next') watched.get(id)?.onMessage(payload);
  else if (type === 'complete') watched.delete(id);
}

/** Settles when the websocket reports the order as FINISHED. */
async function redeem({ url, token, agent, socket, watched }, code) {
  const input = { code, idempotencyKey: randomUUID() };
  const body = JSON.stringify({ query: REDEEM, variables: { input } });
  const { data, errors } = await post(url, body, { agent, token });
  if (errors) throw new Error(errors[0].extensions.code);
  const { id } = data.redeemCode;
  await new Promise((done, fail) => {
    watched.set(id, {
      fail,
      onMessage: ({ data, errors }) => {
        const order = data?.orderStatusChanged;
        if (order?.status === 'FINISHED' && order.subscription) done();
        else if (errors || order?.status !== 'PAID') fail(new Error(errors?.[0].message ?? order?.status));
      },
    });
    sendJson(socket, { type: 'subscribe', id, payload: { query: WATCH, variables: { id } } });
  });
}

function post(url, body, { agent, token }) {
  return new Promise((done, fail) => {
    const headers = {
      ...{ 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      authorization: `Bearer ${token}`,
    };
    const sent = request(`${url}/graphql`, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.once('error', fail).once('end', () => {
        if (response.statusCode === 200) done(JSON.parse(text));
        else fail(new Error(`HTTP ${response.statusCode}`));
      });
    });
    sent.once('error', fail).end(body);
  });
}
