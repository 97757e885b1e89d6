import type { AddressInfo, Socket } from 'node:net';
import fastifySwagger from '@fastify/swagger';
import { fastify, type FastifyReply } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { safeParse, type $ZodType } from 'zod/v4/core';
import type { Alarm } from '../alarm/alarms.ts';
import type { Config } from '../config.ts';
import { TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import type { CallService } from '../recording/call-state.ts';
import { assertMayListen, createTokenCheck } from './auth.ts';
import { answerTo, invalidRequest } from './error-answer.ts';
import { openapiOptions } from './openapi.ts';
import type { RecorderDirectory } from './recorder-directory.ts';
import type { AppInstance } from './routes/app-instance.ts';
import { addCallRoutes } from './routes/calls.ts';
import { addOperationRoutes } from './routes/operations.ts';
import { addRecorderRoutes } from './routes/recorders.ts';
import type { Health } from './schemas/health.ts';
import type { ProcessState } from './schemas/process.ts';

export interface HttpServerOptions {
  readonly http: Config['http'];
  /** Bearer token; undefined: none is asked for, which only loopback allows. */
  readonly token: string | undefined;
  readonly calls: CallService;
  readonly recorders: RecorderDirectory;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly health: () => Health;
  readonly alarms: () => readonly Alarm[];
  readonly processes: () => readonly ProcessState[];
}

const connectionsMax = 1_024;
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 20_000;
/** Of silence on a connection, also while a request is being worked on. */
const connectionTimeoutMs = 60_000;
const keepAliveTimeoutMs = 15_000;
/** Longer than any id, so that a long id is refused as one. */
const parameterCharsMax = 512;
const retryAfterSeconds = 1;

/** The HTTP API. Every answer that is not a success has the shape that `error-answer.ts` gives it. */
export class HttpServer {
  readonly #app: AppInstance;
  #closing: Promise<void> | undefined;

  private constructor(app: AppInstance) {
    this.#app = app;
  }

  /** Resolves when it listens. Errors: CONFIG_INVALID (no token beyond loopback), or the address cannot be had. */
  static async create(options: HttpServerOptions): Promise<HttpServer> {
    const { host, port } = options.http;
    assertMayListen(host, options.token);
    const app = createApp(options);
    app.server.maxConnections = connectionsMax;
    app.server.headersTimeout = headersTimeoutMs;
    await app.register(fastifySwagger, openapiOptions(options.token !== undefined));
    addCallRoutes(app, options.calls);
    addRecorderRoutes(app, options.recorders);
    addOperationRoutes(app, {
      registry: options.metrics.registry,
      health: options.health,
      alarms: options.alarms,
      processes: options.processes,
    });
    const server = new HttpServer(app);
    try {
      await app.listen({ host, port });
    } catch (cause) {
      await server.close();
      throw new TandemError('CONFIG_INVALID', `http: cannot listen on ${host}:${port}`, {
        cause,
        details: { issues: [{ path: 'http.port', reason: `cannot listen on ${host}:${port}` }] },
      });
    }
    options.logger.info(server.address, 'HTTP API listens');
    return server;
  }

  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#app.server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Idempotent. Requests under way are answered first. */
  close(): Promise<void> {
    this.#closing ??= this.#app.close();
    return this.#closing;
  }
}

function createApp({ http, token, metrics, logger }: HttpServerOptions): AppInstance {
  const app = fastify({
    // Its own logging would carry headers; the hooks below say what matters.
    logger: false,
    bodyLimit: http.bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: parameterCharsMax },
    exposeHeadRoutes: false,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, _request, reply: FastifyReply) => {
      const { status, body } = answerTo(error);
      void reply.code(status).send(body);
    },
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(({ schema }) => (input: unknown) => {
    const result = safeParse(schema as $ZodType, input);
    return result.success ? { value: result.data } : { error: invalidRequest(result.error, input) };
  });
  // Types have checked what handlers return; a second check at run time would only turn answers into faults.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));

  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // No body at all is for the route's schema to refuse, or (DELETE) to accept.
    if (body.length === 0) done(null, undefined);
    else void parseJson(request, body as string, done);
  });

  if (token !== undefined) {
    const isAuthorized = createTokenCheck(token);
    app.addHook('onRequest', async (request, reply) => {
      if (request.routeOptions.url === '/healthz' || isAuthorized(request.headers.authorization)) {
        return;
      }
      void reply.header('www-authenticate', 'Bearer realm="tandem"');
      throw new TandemError('UNAUTHORIZED', 'a valid bearer token is needed');
    });
  }

  app.addHook('onResponse', (request, reply, done) => {
    const { method } = request;
    // The pattern, not the path: labels stay few.
    const route = request.routeOptions.url ?? 'unknown';
    const status = reply.statusCode;
    const durationMs = reply.elapsedTime;
    metrics.httpRequests.inc({ route, method, status: String(status) });
    metrics.httpRequestSeconds.observe({ route, method }, durationMs / 1_000);
    logger.debug({ request: request.id, method, route, status, durationMs }, 'request answered');
    done();
  });

  app.setNotFoundHandler((request) => {
    throw new TandemError(
      'NOT_FOUND',
      `no such route: ${request.method} ${request.url.slice(0, 128)}`,
    );
  });

  app.setErrorHandler((error, request, reply) => {
    const { status, body } = answerTo(error);
    const { code } = body.error;
    const facts = { request: request.id, method: request.method, route: request.routeOptions.url };
    if (status >= 500) logger.error({ ...facts, err: error, code, status }, 'request failed');
    else logger.info({ ...facts, code, status, reason: body.error.message }, 'request refused');
    if (status === 503) void reply.header('retry-after', String(retryAfterSeconds));
    void reply.code(status).type('application/json').send(body);
  });

  return app;
}

/** What never became a request: HTTP that does not parse, headers too large, too slow. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || socket.destroyed) return;
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  const body = JSON.stringify({ error: { code: 'INVALID_REQUEST', message: status.slice(4) } });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
