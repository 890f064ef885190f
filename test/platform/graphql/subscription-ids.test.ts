import { describe, expect, it } from 'vitest';
import type { Channel } from '../../../src/platform/graphql/channel.ts';
import { SubscriptionIds } from '../../../src/platform/graphql/subscription-ids.ts';

/** A channel between a client and the handler of messages, translated in between. */
function translated() {
  const ids = new SubscriptionIds();
  const sent: string[] = [];
  const handled: string[] = [];
  let receive: (message: string) => Promise<void> = async () => {};
  const channel = {
    close: () => {},
    send: (message: string) => void sent.push(message),
    onMessage: (handle: typeof receive) => {
      receive = handle;
    },
  } as unknown as Channel;
  const inner = ids.translate(channel);
  inner.onMessage(async (message) => void handled.push(message));
  return {
    ids,
    sent,
    handled,
    /** As the client. */
    tell: (message: object) => receive(JSON.stringify(message)),
    /** As the server. */
    answer: (id: string, type: 'next' | 'complete') =>
      inner.send(JSON.stringify(type === 'next' ? { id, type, payload: { data: null } } : { id, type })),
  };
}

const subscribe = (id: string, query = '{ steady }') => ({ id, type: 'subscribe', payload: { query } });
const next = (id: string) => JSON.stringify({ id, type: 'next', payload: { data: null } });

describe('SubscriptionIds', () => {
  it('drops messages of a subscription that the client has completed', async () => {
    const { tell, answer, sent } = translated();
    await tell(subscribe('a'));
    await answer('1', 'next');

    await tell({ id: 'a', type: 'complete' });
    await answer('1', 'next');
    await answer('1', 'complete');

    expect(sent).toEqual([next('a')]);
  });

  it('sends messages of a completed subscription to none that has taken over its id', async () => {
    const { tell, answer, sent } = translated();
    await tell(subscribe('a'));
    await tell({ id: 'a', type: 'complete' });
    await tell(subscribe('a'));

    await answer('1', 'next');
    await answer('1', 'complete');
    await answer('2', 'next');

    expect(sent).toEqual([next('a')]);
  });

  it('returns the payload of a subscription once, so that it is not retained', async () => {
    const { tell, ids, handled } = translated();
    await tell(subscribe('a', '{ first }'));

    expect(handled.join()).not.toContain('first');
    expect(ids.takePayload('1')).toEqual({ query: '{ first }' });
    expect(ids.takePayload('1')).toEqual({ query: '' });
  });
});
