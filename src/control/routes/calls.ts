import { z } from 'zod';
import type { CallService } from '../../recording/call-state.ts';
import {
  answerBody,
  answered,
  callList,
  callParams,
  callState,
  createCallBody,
  createdCall,
  failoverList,
  listQuery,
  offerBody,
  offered,
  recordingBody,
} from '../schemas/call.ts';
import { errors } from '../schemas/error.ts';
import { ledgerBody } from '../schemas/ledger.ts';
import type { AppInstance } from './app-instance.ts';

const tags = ['calls'];

export function addCallRoutes(app: AppInstance, calls: CallService): void {
  app.post(
    '/v1/calls',
    {
      schema: {
        operationId: 'createCall',
        summary: 'Pin a call: party a offers',
        tags,
        body: createCallBody,
        response: { 201: createdCall, ...errors(400, 409, 413, 415, 422, 503) },
      },
    },
    async (request, reply) => {
      const created = await calls.create(request.body);
      return reply
        .code(201)
        .header('location', `/v1/calls/${encodeURIComponent(created.id)}`)
        .send(created);
    },
  );

  app.post(
    '/v1/calls/:id/answer',
    {
      schema: {
        operationId: 'answerCall',
        summary: 'Answer the last offer: media and recording begin',
        description: 'A re-offer may also be rejected; a first offer is given up by DELETE.',
        tags,
        params: callParams,
        body: answerBody,
        response: { 200: answered, ...errors(400, 404, 409, 413, 415, 422, 503) },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { answer } = request.body;
      if (answer !== undefined) return calls.answer(id, answer);
      await calls.rejectReoffer(id);
      return { rejected: true as const };
    },
  );

  app.post(
    '/v1/calls/:id/offer',
    {
      schema: {
        operationId: 'reofferCall',
        summary: 'A re-offer from either party, answered like the first',
        tags,
        params: callParams,
        body: offerBody,
        response: { 200: offered, ...errors(400, 404, 409, 413, 415, 422, 503) },
      },
    },
    (request) => calls.reoffer(request.params.id, request.body.party, request.body.offer),
  );

  app.get(
    '/v1/calls',
    {
      schema: {
        operationId: 'listCalls',
        summary: 'The calls that are known, in pages',
        tags,
        querystring: listQuery,
        response: { 200: callList, ...errors(400) },
      },
    },
    (request) => calls.list(request.query),
  );

  app.get(
    '/v1/calls/:id',
    {
      schema: {
        operationId: 'getCall',
        summary: 'What became of a call and its recordings',
        tags,
        params: callParams,
        response: { 200: callState, ...errors(400, 404) },
      },
    },
    (request) => calls.get(request.params.id),
  );

  app.get(
    '/v1/calls/:id/ledger',
    {
      schema: {
        operationId: 'getLedger',
        summary: 'The account of every sequence number',
        tags,
        params: callParams,
        response: { 200: ledgerBody, ...errors(400, 404) },
      },
    },
    (request) => calls.ledger(request.params.id),
  );

  app.post(
    '/v1/calls/:id/recording',
    {
      schema: {
        operationId: 'controlRecording',
        summary: 'Pause, resume, stop or start both recordings',
        description: 'A pause is answered when both legs have stopped sending.',
        tags,
        params: callParams,
        body: recordingBody,
        response: { 200: callState, ...errors(400, 404, 409, 413, 415, 502, 503, 504) },
      },
    },
    (request) => calls.recording(request.params.id, request.body.action),
  );

  app.delete(
    '/v1/calls/:id',
    {
      schema: {
        operationId: 'deleteCall',
        summary: 'End a call: ports are freed, both sessions ended',
        tags,
        params: callParams,
        response: { 204: z.null().describe('It is over'), ...errors(400, 404) },
      },
    },
    async (request, reply) => {
      await calls.delete(request.params.id);
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/v1/failovers',
    {
      schema: {
        operationId: 'listFailovers',
        summary: 'The last failovers of all calls',
        tags,
        response: { 200: failoverList, ...errors() },
      },
    },
    () => ({ failovers: [...calls.failovers()] }),
  );
}
