import {
  ApolloServer,
  type ApolloServerOptions,
  type BaseContext,
  HeaderMap,
  type HTTPGraphQLResponse,
} from '@apollo/server';
import type { GraphQLFormattedError } from 'graphql';
import { withinDeadline } from '../concurrency/deadline.ts';
import { PlatformError } from '../errors.ts';
import { inRequestScope, requestScope } from '../request-scope.ts';

/** Media type of the GraphQL-over-HTTP specification, sent to clients that accept it. */
export const GRAPHQL_RESPONSE_TYPE = 'application/graphql-response+json';

/**
 * Responds with SERVICE_UNAVAILABLE when an operation exceeds its time limit. The deadline in the
 * request scope makes the operation stop at its next statement.
 */
export class DeadlineServer<Context extends BaseContext> extends ApolloServer<Context> {
  readonly #operationMs: number;
  readonly #mask: (error: unknown) => GraphQLFormattedError;

  constructor(
    options: ApolloServerOptions<Context>,
    operationMs: number,
    mask: (error: unknown) => GraphQLFormattedError,
  ) {
    super(options);
    this.#operationMs = operationMs;
    this.#mask = mask;
  }

  override async executeHTTPGraphQLRequest(
    request: Parameters<ApolloServer<Context>['executeHTTPGraphQLRequest']>[0],
  ): Promise<HTTPGraphQLResponse> {
    const scope = requestScope() ?? EMPTY_SCOPE;
    return withinDeadline(
      this.#operationMs,
      (deadline) => inRequestScope({ ...scope, deadline }, () => super.executeHTTPGraphQLRequest(request)),
      () => this.#timedOut(request.httpGraphQLRequest.headers.get('accept')),
    );
  }

  #timedOut(accept: string | undefined): HTTPGraphQLResponse {
    const type = accept?.includes(GRAPHQL_RESPONSE_TYPE) ? GRAPHQL_RESPONSE_TYPE : 'application/json';
    const error = this.#mask(new PlatformError('SERVICE_UNAVAILABLE'));
    return {
      status: 200,
      headers: new HeaderMap([['content-type', `${type}; charset=utf-8`]]),
      body: { kind: 'complete', string: JSON.stringify({ errors: [error], data: null }) },
    };
  }
}

const EMPTY_SCOPE = { requestId: '', ip: '', userAgent: null };
