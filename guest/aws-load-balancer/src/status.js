// What the OpenFunction Gateway's status says of its Kubernetes Gateway. `Scheduled` and `Ready` are
// made of `Accepted` and `Programmed`, or of what was there before them, `Scheduled` and `Ready`.
// When true they read as they always did; when not, reason and message are the controller's own.

import { byteLength, cut, isPrintable, printable } from './text.js';

// What the CRD allows.
const MOST_CONDITIONS = 8;
const MOST_ADDRESSES = 16;
const MOST_KINDS = 8;
// Bytes that are passed on: of each text, and of all messages together.
const LONGEST_REASON = 256;
const LONGEST_MESSAGE = 32_000;
const LONGEST_NAME = 253;
const LONGEST_KIND = 63;
const LONGEST_TYPE = 316;
const MOST_TEXT = 200_000;

// The controller says this of the whole Gateway for one bad listener, also of somebody else, while
// it serves the others.
const LISTENERS_NOT_VALID = 'ListenersNotValid';

const MISSING = 'create it, or name another one';

const condition = (type, status, reason, message) => ({
  type,
  status,
  reason,
  message,
  observedGeneration: null,
});
const SCHEDULED = condition('Scheduled', 'True', 'Scheduled', 'Gateway is scheduled');
const READY = condition('Ready', 'True', 'Valid', 'Valid Gateway');
const VALID = condition('Ready', 'True', 'Ready', 'Valid listener');

/** The status for an observation. */
export function aggregate({ spec, kubernetesGateway: gateway, gatewayClass }) {
  if (!gateway) return notFound(spec);
  const statuses = new Map(gateway.listenerStatuses.map((status) => [status.name, status]));
  const listeners = spec.listeners.map(({ name }) =>
    listenerStatus(name, statuses.get(name), gateway.writtenGeneration),
  );
  const bad = listeners.find(({ conditions }) => conditions[0].status !== 'True');
  const seen = read(gateway.conditions, gateway.writtenGeneration);
  // Nobody reports on a Gateway without a class.
  const orphan = !gatewayClass && `GatewayClass ${gateway.className} does not exist: ${MISSING}`;
  const scheduled = scheduledOf(seen, bad, orphan);
  const ready = readyOf(seen, bad, orphan && scheduled);
  const waited = `of GatewayClass ${gateway.className}: if this stays so, see whether it runs`;
  const named = (told) =>
    isDefault(told)
      ? { ...told, message: printable(`${told.message} ${waited}`, LONGEST_MESSAGE) }
      : told;
  return shortened({
    conditions: [named(scheduled), named(ready), ...seen.others].slice(0, MOST_CONDITIONS),
    addresses: gateway.addresses
      .filter(({ type, value }) => isName(type, LONGEST_NAME) && isName(value, LONGEST_NAME))
      .slice(0, MOST_ADDRESSES),
    listeners,
  });
}

function scheduledOf({ accepted }, bad, orphan) {
  const isForListeners = accepted.said?.reason === LISTENERS_NOT_VALID;
  if (accepted.isTrue || (isForListeners && !bad)) return SCHEDULED;
  if (orphan && !isForListeners) {
    return condition('Scheduled', 'False', 'NotFound', printable(orphan, LONGEST_MESSAGE));
  }
  return verdict(accepted, 'Scheduled', SCHEDULED);
}

// Judged by our listeners, where the Gateway is programmed or only listeners keep it from that.
function readyOf({ accepted, programmed }, bad, orphaned) {
  const refusal = accepted.said?.status === 'False' && accepted.said.reason !== LISTENERS_NOT_VALID;
  // Some say that they programmed what they do not accept.
  if (programmed.isTrue && refusal) return verdict(accepted, 'Ready', READY);
  const against = programmed.said ?? (accepted.isTrue ? undefined : accepted.said);
  if (programmed.isTrue || against?.reason === LISTENERS_NOT_VALID) {
    if (!bad) return READY;
    const { status, reason, message } = bad.conditions[0];
    return condition('Ready', status, reason, `Listener ${bad.name}: ${message}`);
  }
  if (orphaned && orphaned.status !== 'True') return { ...orphaned, type: 'Ready' };
  return verdict(programmed, 'Ready', READY);
}

function notFound({ target: { name, className }, listeners }) {
  const what = `Gateway ${name.namespace}/${name.name} does not exist`;
  // One that is defined is created by us.
  const message = className ? what : `${what}: ${MISSING}`;
  const missing = (type) => condition(type, 'False', 'NotFound', message);
  return {
    conditions: [missing('Scheduled'), missing('Ready')],
    addresses: [],
    listeners: listeners.map(({ name }) => ({
      name,
      attachedRoutes: 0,
      supportedKinds: [],
      conditions: [missing('Ready')],
    })),
  };
}

const NOTHING = { attachedRoutes: 0, supportedKinds: [], conditions: [] };

function listenerStatus(name, status, writtenGeneration) {
  const { attachedRoutes, supportedKinds, conditions } = status ?? NOTHING;
  const { unhealthy, programmed, others } = read(conditions, writtenGeneration);
  const ready = unhealthy
    ? { ...passedOn(unhealthy, 'Ready'), status: 'False' }
    : verdict(programmed, 'Ready', VALID);
  const isKind = ({ group, kind }) =>
    (group === '' || isName(group, LONGEST_NAME)) && isName(kind, LONGEST_KIND);
  return {
    name,
    attachedRoutes: Math.max(attachedRoutes, 0),
    supportedKinds: supportedKinds.filter(isKind).slice(0, MOST_KINDS),
    conditions: [ready, ...others].slice(0, MOST_CONDITIONS),
  };
}

const BAD = [
  ['Accepted', 'False'],
  ['Conflicted', 'True'],
  ['Detached', 'True'],
  ['ResolvedRefs', 'False'],
];

// The conditions of a Gateway or a listener, read.
function read(conditions, writtenGeneration) {
  const all = new Map();
  for (const condition of conditions) {
    if (!all.has(condition.type)) all.set(condition.type, mended(condition));
  }
  // A condition without a generation, or with 0, counts as current.
  const isCurrent = ({ observedGeneration }) =>
    !observedGeneration || observedGeneration >= writtenGeneration;
  const current = (type) => [all.get(type)].find((known) => known && isCurrent(known));
  const said = (today, before) => {
    const known = [current(today), current(before)].filter(Boolean);
    const said = known.find((condition) => !isDefault(condition)) ?? known[0];
    const stale = all.get(today) ?? all.get(before);
    return { said, isTrue: said?.status === 'True', stale };
  };
  const [bad] = BAD.find(([type, status]) => current(type)?.status === status) ?? [];
  return {
    accepted: said('Accepted', 'Scheduled'),
    programmed: said('Programmed', 'Ready'),
    unhealthy: bad && current(bad),
    others: [...all.values()]
      .filter((condition) => isCurrent(condition) && isOther(condition))
      .map((condition) => passedOn(condition, condition.type))
      .sort((a, b) => (a.type < b.type ? -1 : 1)),
  };
}

// The first versions that wrote statuses of listeners wrote `Conflicted` the wrong way round, True
// where there is no conflict. Its reason was right. Source: buildConflictedCondition in
// controllers/gateway/listener_status_utils.go, at 141a9d4 and at 225f445.
const mended = (condition) =>
  condition.type === 'Conflicted' && condition.reason === 'NoConflicts'
    ? { ...condition, status: 'False' }
    : condition;

// A condition that nobody wrote. Source: the defaults of the CRD.
const isDefault = ({ status, message }) =>
  status === 'Unknown' && message === 'Waiting for controller';

// What `Scheduled` and `Ready` do not say already.
const SAID = ['Accepted', 'Programmed', 'Scheduled', 'Ready'];
const HEALTHY = ['ResolvedRefs True', 'Conflicted False', 'Detached False'];
const isOther = ({ type, status }) =>
  !SAID.includes(type) && !HEALTHY.includes(`${type} ${status}`) && isName(type, LONGEST_TYPE);

function verdict({ said, isTrue, stale }, type, good) {
  if (isTrue) return good;
  if (said) return passedOn(said, type);
  let message = 'Waiting for controller';
  if (stale) {
    const last = `${stale.type} ${stale.status}`;
    const generation = `is of generation ${stale.observedGeneration}, before the last change`;
    message += `: what it last said (${last}) ${generation}`;
  }
  return condition(type, 'Unknown', 'Pending', printable(message, LONGEST_MESSAGE));
}

const passedOn = ({ status, reason, message }, type) =>
  condition(
    type,
    ['True', 'False'].includes(status) ? status : 'Unknown',
    printable(reason, LONGEST_REASON),
    printable(message, LONGEST_MESSAGE),
  );

// Whether what the controller wrote can be passed on as a name.
const isName = (text, most) => text !== '' && cut(text, most) === text && isPrintable(text);

// Cuts messages where all together are too long, the last ones first.
function shortened(status) {
  let left = MOST_TEXT;
  const shorten = (conditions) =>
    conditions.map((condition) => {
      const message = cut(condition.message, left);
      left -= byteLength(message);
      return { ...condition, message };
    });
  return {
    ...status,
    conditions: shorten(status.conditions),
    listeners: status.listeners.map((listener) => ({
      ...listener,
      conditions: shorten(listener.conditions),
    })),
  };
}
