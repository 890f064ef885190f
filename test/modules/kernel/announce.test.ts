import { describe, expect, it } from 'vitest';
import { announce, type Changes } from '../../../src/modules/kernel/announce.ts';
import * as topics from '../../../src/modules/kernel/topics.ts';

/** @returns the messages that announcing these changes publishes, in order */
function published(changes: Changes): [topic: string, ids: readonly string[]][] {
  const messages: [string, readonly string[]][] = [];
  const pubSub: Parameters<typeof announce>[0]['pubSub'] = {
    publish: (topic, ids) => messages.push([topic, ids]),
    onWake: () => () => {},
    onReconnect: () => () => {},
    close: async () => {},
  };
  announce({ pubSub }, changes);
  return messages;
}

const KEYS: [keyof Changes, string][] = [
  ['batchIds', topics.BATCH_CHANGED],
  ['displacedDevices', topics.DEVICE_DISPLACED],
  ['orderIds', topics.ORDER_CHANGED],
  ['planIds', topics.PLAN_CHANGED],
  ['planIdsOfUsers', topics.PLAN_USERS_CHANGED],
  ['revokedServerTokens', topics.SERVER_TOKEN_REVOKED],
  ['serverIdsOfDevices', topics.SERVER_DEVICES_CHANGED],
  ['sessionIds', topics.SESSION_ENDED],
  ['sites', topics.SITE_CHANGED],
  ['userIds', topics.USER_CHANGED],
];

describe('announce', () => {
  it.each(KEYS)('publishes %s to the topic %s', (key, topic) => {
    expect(published({ [key]: ['one', 'two'] })).toEqual([[topic, ['one', 'two']]]);
  });

  it.each(KEYS)('publishes nothing if %s is empty', (key) => {
    expect(published({ [key]: [] })).toEqual([]);
  });

  it('publishes nothing without changes', () => {
    expect(published({})).toEqual([]);
  });

  it('covers every topic', () => {
    expect(KEYS.map(([, topic]) => topic).sort()).toEqual(Object.values(topics).sort());
  });

  it('closes the sockets of revoked sessions before their users get other updates', () => {
    const changes = { userIds: ['user'], orderIds: ['order'], sessionIds: ['session'] };

    expect(published(changes).map(([topic]) => topic)).toEqual([
      topics.SESSION_ENDED,
      topics.ORDER_CHANGED,
      topics.USER_CHANGED,
    ]);
  });
});
