import { describe, expect, it } from 'vitest';
import {
  hindrance,
  type AdmissionRequest,
  type Applicant,
} from '../../../src/resource/admission.ts';

const able: Applicant = {
  id: 'r1',
  state: 'up',
  busy: false,
  sessions: 0,
  capacity: 2,
  tenants: [],
  sites: [],
};
const anyone: AdmissionRequest = { excludeRecorders: [] };

describe('admission', () => {
  const cases: [string, Partial<Applicant>, AdmissionRequest, string | undefined][] = [
    ['an up recorder with room', {}, anyone, undefined],
    ['one session below capacity', { sessions: 1 }, anyone, undefined],
    ['a full one', { sessions: 2 }, anyone, 'full'],
    ['a suspected one', { state: 'suspect' }, anyone, 'suspect'],
    ['a dead one', { state: 'down' }, anyone, 'down'],
    ['a draining one', { state: 'draining' }, anyone, 'draining'],
    ['one that said for how long it takes none', { busy: true }, anyone, 'busy'],
    ['one that stands by', { state: 'standby' }, anyone, 'standby'],
    ['one that is excluded', {}, { excludeRecorders: ['r0', 'r1'] }, 'excluded'],
    ["its tenant's call", { tenants: ['t1'] }, { ...anyone, tenant: 't1' }, undefined],
    ["another tenant's call", { tenants: ['t1'] }, { ...anyone, tenant: 't2' }, 'tenant'],
    ["nobody's call, when it has tenants", { tenants: ['t1'] }, anyone, 'tenant'],
    ["another site's call", { sites: ['s1'] }, { ...anyone, site: 's2' }, 'site'],
    ['any tenant and site without limits', {}, { ...anyone, tenant: 't', site: 's' }, undefined],
  ];
  it.each(cases)('%s', (_title, recorder, request, expected) => {
    expect(hindrance({ ...able, ...recorder }, request)).toBe(expected);
  });
});
