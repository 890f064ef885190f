import { openUnder, sealRequest } from './seal.ts';
import type { TransportKey } from './transport-key.ts';

/** What GraphQL over HTTP takes. */
export interface GraphqlRequest {
  query: string;
  variables?: Record<string, unknown>;
  operationName?: string;
}

/** What GraphQL over HTTP answers. */
export interface GraphqlAnswer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions: Record<string, unknown> & { code: string } }[];
}

/** Sends requests that only the server can read, and believes only answers that are encrypted, too. */
export interface EncryptedClient {
  send<Data>(request: GraphqlRequest, accessToken?: string): Promise<GraphqlAnswer<Data>>;
}

/** The server, or somebody in between, has answered in clear: nothing of it can be believed but that it did not work. */
export class AnsweredInClear extends Error {
  constructor(
    readonly status: number,
    /** What it says of itself; `INVALID_CIPHERTEXT` calls for new keys and a look at the clock. */
    readonly code: string,
  ) {
    super(`answered in clear: ${status} ${code}`);
    this.name = 'AnsweredInClear';
  }
}

/**
 * @param url of the server, without a path
 * @param fetchKey asked before the first request, and once more when the server does not take the key any longer
 */
export function createEncryptedClient({
  url,
  fetchKey,
}: {
  url: string;
  fetchKey: () => Promise<TransportKey>;
}): EncryptedClient {
  let key: Promise<TransportKey> | undefined;
  const sendOnce = async <Data>(request: GraphqlRequest, accessToken: string | undefined) => {
    key ??= fetchKey();
    const { jwe, replyKey, id } = await sealRequest(await key, request, accessToken);
    return JSON.parse(await openUnder(replyKey, { jti: id }, await post(url, jwe))) as GraphqlAnswer<Data>;
  };
  return {
    async send<Data>(request: GraphqlRequest, accessToken?: string) {
      try {
        return await sendOnce<Data>(request, accessToken);
      } catch (error) {
        if (!(error instanceof AnsweredInClear) || error.code !== 'INVALID_CIPHERTEXT') throw error;
        // Never in clear instead: whoever wants that need only spoil a message.
        key = undefined;
        return sendOnce<Data>(request, accessToken);
      }
    },
  };
}

async function post(url: string, jwe: string): Promise<string> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose' },
    body: jwe,
  });
  const text = await response.text();
  if (response.headers.get('content-type')?.startsWith('application/jose')) return text;
  throw new AnsweredInClear(response.status, codeIn(text));
}

function codeIn(text: string): string {
  try {
    const { errors } = JSON.parse(text) as GraphqlAnswer<never>;
    return errors?.[0]?.extensions.code ?? '';
  } catch {
    return '';
  }
}
