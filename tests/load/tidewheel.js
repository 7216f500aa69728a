// One load on a deployment, as scenarios.json describes it: open model, so a slow service is not offered less.
//
//   TIDEWHEEL_URL, TIDEWHEEL_API_KEY  where, and with which key
//   LOAD_SECONDS, LOAD_RATE           make it that long in all, and that many tasks a second at its height
//   LOAD_HANDLER                      any handler that is served and does nothing; demo.noop unless told
//
// 2xx proves nothing about a scheduler: after the load, `teardown` asks what became of every task.

import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';

const SCENARIOS = JSON.parse(open('./scenarios.json'));
const PAGE = 200;
const KEPT_AFTERWARDS = 600; // seconds in which the tasks can be asked for
const OPEN = ['blocked', 'waiting', 'ready', 'queued', 'running'];
const SLOWEST_ANSWER = 0.5; // seconds; with as many virtual users as that asks for, none is missing

const pickup = new Trend('pickup_ms', true);
const drained = new Trend('drained_seconds');
const missing = new Counter('tasks_missing'); // accepted, less those that are complete
const notComplete = new Counter('tasks_not_complete');

/** Return a scenario of scenarios.json, made shorter or slower where the environment asks for it. */
function scaled(name) {
  const { batch, limits, pieces } = SCENARIOS[name];
  const seconds = total(pieces);
  const height = Math.max(...pieces.flatMap((piece) => [piece.from, piece.to]));
  const slower = (__ENV.LOAD_RATE ? Number(__ENV.LOAD_RATE) : height) / height;
  const shorter = (__ENV.LOAD_SECONDS ? Number(__ENV.LOAD_SECONDS) : seconds) / seconds;
  return {
    batch,
    limits,
    pieces: pieces.map((piece) => ({
      from: (piece.from * slower) / batch,
      to: (piece.to * slower) / batch,
      seconds: piece.seconds * shorter,
    })),
  };
}

function total(pieces) {
  return pieces.reduce((sum, piece) => sum + piece.seconds, 0);
}

/** Return k6's options for a scenario. */
export function options(name) {
  const { limits, pieces } = scaled(name);
  const height = Math.max(...pieces.flatMap((piece) => [piece.from, piece.to]));
  const users = Math.ceil(height * SLOWEST_ANSWER) + 10;
  return {
    scenarios: { [name]: { ...executor(pieces), preAllocatedVUs: users, maxVUs: users } },
    thresholds: thresholds(name, limits),
    summaryTrendStats: ['med', 'p(99)', 'max'],
    teardownTimeout: '10m',
  };
}

function executor(pieces) {
  if (pieces.length === 1 && pieces[0].from === pieces[0].to) {
    const [{ from, seconds }] = pieces;
    return {
      executor: 'constant-arrival-rate',
      rate: Math.max(Math.round(from * 60), 1),
      timeUnit: '1m', // so that a rate need not be a whole number of requests a second
      duration: `${Math.round(seconds * 1000)}ms`,
    };
  }
  return {
    executor: 'ramping-arrival-rate',
    startRate: Math.round(pieces[0].from * 60),
    timeUnit: '1m',
    stages: pieces.flatMap((piece) => [
      { target: Math.round(piece.from * 60), duration: '0s' }, // a jump to where the piece begins
      { target: Math.round(piece.to * 60), duration: `${Math.round(piece.seconds * 1000)}ms` },
    ]),
  };
}

function thresholds(name, limits) {
  const found = {
    dropped_iterations: ['count==0'], // otherwise k6 offered less than it says
    'checks{kind:accepted}': ['rate==1'],
    [`http_req_duration{scenario:${name}}`]: [`p(99)<=${limits.accept_p99_ms}`],
    tasks_missing: ['count==0'],
    tasks_not_complete: ['count==0'],
    drained_seconds: [`max<=${limits.drained_seconds}`],
  };
  const pickups = [
    ...(limits.pickup_p50_ms ? [`med<=${limits.pickup_p50_ms}`] : []),
    ...(limits.pickup_p99_ms ? [`p(99)<=${limits.pickup_p99_ms}`] : []),
  ];
  return pickups.length ? { ...found, pickup_ms: pickups } : found;
}

const headers = { Authorization: `Bearer ${__ENV.TIDEWHEEL_API_KEY}`, 'Content-Type': 'application/json' };

/** Make what every iteration sends: the same body, told apart by a tag of this run. */
export function prepare(name) {
  const { batch, pieces } = scaled(name);
  // Runs that begin in the same millisecond must not count each other's tasks.
  const tag = `load-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
  const task = {
    handler: __ENV.LOAD_HANDLER || 'demo.noop',
    tags: [tag],
    removal_delay: Math.ceil(total(pieces)) + KEPT_AFTERWARDS,
  };
  return batch === 1
    ? { tag, batch, path: '/v1/tasks', body: JSON.stringify(task) }
    : { tag, batch, path: '/v1/tasks:batch', body: JSON.stringify({ tasks: Array(batch).fill(task) }) };
}

/** Submit once. */
export function submit({ batch, path, body }) {
  const answer = http.post(`${__ENV.TIDEWHEEL_URL}${path}`, body, { headers, tags: { name: path } });
  const accepted = answer.status === 201 ? (answer.body.match(/"id": ?"/g) || []).length : 0;
  check(answer, { 'every task was accepted': () => accepted === batch }, { kind: 'accepted' });
  missing.add(accepted);
}

/** Wait until nothing of this run is open, then look at every task. */
export function verify(name, { tag }) {
  const { limits } = scaled(name);
  const began = Date.now();
  const patience = 1000 * Math.max(60, 10 * limits.drained_seconds);
  while (page({ tag, state: OPEN, limit: 1 }).data.length && Date.now() - began < patience) {
    sleep(0.05);
  }
  drained.add((Date.now() - began) / 1000);
  let cursor = null;
  do {
    const found = page({ tag, cursor, limit: PAGE });
    found.data.forEach(look);
    cursor = found.next_cursor;
  } while (cursor);
}

function look(task) {
  if (task.state !== 'complete') {
    notComplete.add(1);
    return;
  }
  missing.add(-1);
  const due = Math.max(Date.parse(task.created_at), Date.parse(task.run_at));
  pickup.add(Math.max(Date.parse(task.started_at) - due, 0));
}

function page(query) {
  const words = Object.entries(query)
    .filter(([, value]) => value !== null)
    .flatMap(([key, value]) => [].concat(value).map((each) => `${key}=${encodeURIComponent(each)}`));
  const answer = http.get(`${__ENV.TIDEWHEEL_URL}/v1/tasks?${words.join('&')}`, {
    headers,
    tags: { name: '/v1/tasks?tag' },
  });
  if (answer.status !== 200) {
    exec.test.abort(`The list of tasks answered ${answer.status}: ${answer.body}`);
  }
  return answer.json();
}
