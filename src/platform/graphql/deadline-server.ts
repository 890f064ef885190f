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

/** The content type of GraphQL over HTTP, to clients that accept it. */
export const NEW_TYPE = 'application/graphql-response+json';

/** Answers in time, whatever the operation waits for: what it would still have done is not done. */
export class TimelyServer<Context extends BaseContext> extends ApolloServer<Context> {
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
    const scope = requestScope() ?? NOBODY;
    return withinDeadline(
      this.#operationMs,
      (deadline) => inRequestScope({ ...scope, deadline }, () => super.executeHTTPGraphQLRequest(request)),
      () => this.#tooLate(request.httpGraphQLRequest.headers.get('accept')),
    );
  }

  #tooLate(accept: string | undefined): HTTPGraphQLResponse {
    const type = accept?.includes(NEW_TYPE) ? NEW_TYPE : 'application/json';
    const error = this.#mask(new PlatformError('SERVICE_UNAVAILABLE'));
    return {
      status: 200,
      headers: new HeaderMap([['content-type', `${type}; charset=utf-8`]]),
      body: { kind: 'complete', string: JSON.stringify({ errors: [error], data: null }) },
    };
  }
}

const NOBODY = { requestId: '', ip: '', userAgent: null };
