import { openUnder, sealRequest } from './seal.ts';
import type { TransportKey } from './transport-key.ts';

/** A GraphQL-over-HTTP request. */
export interface GraphqlRequest {
  query: string;
  variables?: Record<string, unknown>;
  operationName?: string;
}

/** A GraphQL-over-HTTP response. */
export interface GraphqlResponse<Data> {
  data?: Data | null;
  errors?: { message: string; extensions: Record<string, unknown> & { code: string } }[];
}

/** Encrypts requests, and accepts only encrypted responses. */
export interface EncryptedClient {
  send<Data>(request: GraphqlRequest, accessToken?: string): Promise<GraphqlResponse<Data>>;
}

/**
 * The response was not encrypted. It may come from a proxy, so it proves nothing except that the
 * request failed.
 */
export class PlaintextResponseError extends Error {
  constructor(
    readonly status: number,
    /** The error code. For `INVALID_CIPHERTEXT`, fetch new keys and check the device's clock. */
    readonly code: string,
  ) {
    super(`plaintext response: ${status} ${code}`);
    this.name = 'PlaintextResponseError';
  }
}

/**
 * @param url of the server, without a path
 * @param fetchKey called before the first request, and again when the server rejects the key
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
    return JSON.parse(await openUnder(replyKey, { jti: id }, await post(url, jwe))) as GraphqlResponse<Data>;
  };
  return {
    async send<Data>(request: GraphqlRequest, accessToken?: string) {
      try {
        return await sendOnce<Data>(request, accessToken);
      } catch (error) {
        if (!(error instanceof PlaintextResponseError) || error.code !== 'INVALID_CIPHERTEXT') throw error;
        // Never falls back to plaintext: an attacker could force that by corrupting a message.
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
  throw new PlaintextResponseError(response.status, codeIn(text));
}

function codeIn(text: string): string {
  try {
    const { errors } = JSON.parse(text) as GraphqlResponse<never>;
    return errors?.[0]?.extensions.code ?? '';
  } catch {
    return '';
  }
}
