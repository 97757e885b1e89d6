import type { RecorderDirectory } from '../recorder-directory.ts';
import { errors } from '../schemas/error.ts';
import {
  recorderBody,
  recorderList,
  recorderParams,
  recorderPatch,
  recorderState,
} from '../schemas/recorder.ts';
import type { AppInstance } from './app-instance.ts';

const tags = ['recorders'];

export function addRecorderRoutes(app: AppInstance, recorders: RecorderDirectory): void {
  app.get(
    '/v1/recorders',
    {
      schema: {
        operationId: 'listRecorders',
        summary: 'The recorders, how they are and what they carry',
        tags,
        response: { 200: recorderList, ...errors() },
      },
    },
    () => ({ recorders: [...recorders.list()] }),
  );

  app.put(
    '/v1/recorders/:id',
    {
      schema: {
        operationId: 'putRecorder',
        summary: 'Add a recorder, or change one',
        tags,
        params: recorderParams,
        body: recorderBody,
        response: { 200: recorderState, ...errors(400, 409, 413, 415) },
      },
    },
    (request) => recorders.put({ id: request.params.id, ...request.body }),
  );

  app.patch(
    '/v1/recorders/:id',
    {
      schema: {
        operationId: 'patchRecorder',
        summary: 'Put a recorder to work, drain it, or let it stand by',
        tags,
        params: recorderParams,
        body: recorderPatch,
        response: { 200: recorderState, ...errors(400, 404, 413, 415) },
      },
    },
    (request) => recorders.patch(request.params.id, request.body),
  );
}
