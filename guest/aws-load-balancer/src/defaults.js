// Defaulting and validating a spec. Nothing here depends on the vendor.

import { isObject, membersOf, objectOf } from './json.js';
import { isDnsName, isHostname, isLabel, isProtocol, isSubdomain, isUnder } from './names.js';
import { routeOf } from './route.js';
import { invalid, quoted, required, valueOf, violation } from './text.js';

/** The listener for requests from inside the cluster. */
export const DEFAULT_LISTENER = 'ofn-http-internal';
/** The annotation that, set to `disabled`, keeps it from being added. */
export const DEFAULT_LISTENER_ANNOTATION = 'networking.openfunction.io/default-listener';

const LISTENERS = 'spec.gatewaySpec.listeners';
// A Gateway has room for as many, and our annotation of it for as much text.
const MOST_LISTENERS = 64;
const MOST_TEXT = 96 << 10;

/** The effective spec; throws all that is wrong. */
export function defaultSpec({ name, annotations, spec }, old) {
  const wrong = [];
  const domains = domainsOf(spec);
  checkDomain('spec.domain', domains.domain, wrong);
  checkDomain('spec.clusterDomain', domains.clusterDomain, wrong);
  const effective = {
    ...domains,
    hostTemplate: spec.hostTemplate || '{{.Name}}.{{.Namespace}}.{{.Domain}}',
    pathTemplate: spec.pathTemplate || '{{.Namespace}}/{{.Name}}',
    httpRouteLabelKey: spec.httpRouteLabelKey || 'app.kubernetes.io/managed-by',
    target: targetOf(spec, name, wrong),
    listeners: listenersOf(spec.listeners, annotations, domains, old && domainsOf(old), wrong),
  };
  if (wrong.length > 0) throw wrong;
  // A sample, as good as any: the templates must work before the first function comes.
  routeOf(effective, { namespace: 'default', name: 'function' });
  return effective;
}

const domainsOf = ({ domain, clusterDomain }) => ({
  domain,
  clusterDomain: clusterDomain || 'cluster.local',
});

function checkDomain(field, domain, wrong) {
  if (domain === '') {
    const what = 'must be set to the domain under which functions are reached, such as ofn.io';
    wrong.push(required(field, what));
  } else if (!isDnsName(domain)) {
    const instead = "write lower case letters, digits, '-' and '.'";
    wrong.push(invalid(field, `${quoted(domain)} is not a DNS name: ${instead}`));
  } else if (!isHostname(`*.${domain}`)) {
    const fit = 'with the wildcard of a listener before it, it must fit into 253 characters';
    wrong.push(invalid(field, `is too long: ${fit}`));
  }
}

function targetOf({ gatewayRef, gatewayDef }, own, wrong) {
  if (gatewayRef && gatewayDef) {
    const what = 'and spec.gatewayDef are both set: keep one of them';
    wrong.push(invalid('spec.gatewayRef', what));
  }
  if (!gatewayRef && !gatewayDef) {
    const what = 'must be set to an existing Kubernetes Gateway, or gatewayDef to one to create';
    wrong.push(required('spec.gatewayRef', what));
    return { name: own, className: null };
  }
  const field = gatewayRef ? 'spec.gatewayRef' : 'spec.gatewayDef';
  const { namespace, name } = gatewayRef ?? gatewayDef;
  const target = {
    name: { namespace, name: name ?? own.name },
    className: gatewayRef ? null : gatewayDef.className,
  };
  const check = (part, value, isRight, what) => {
    if (!isRight(value)) {
      const letters = isRight === isLabel ? "digits and '-'" : "digits, '-' and '.'";
      const instead = `write lower case letters, ${letters}`;
      const named = `${quoted(value)} is not the name of ${what}: ${instead}`;
      wrong.push(invalid(`${field}.${part}`, named));
    }
  };
  check('namespace', namespace, isLabel, 'a namespace');
  check('name', target.name.name, isSubdomain, 'an object');
  if (!gatewayRef) check('gatewayClassName', target.className, isSubdomain, 'a GatewayClass');
  return target;
}

function listenersOf(written, annotations, domains, old, wrong) {
  const choice = valueOf(annotations, DEFAULT_LISTENER_ANNOTATION) ?? '';
  if (!['disabled', 'enabled', ''].includes(choice)) {
    const field = `metadata.annotations[${DEFAULT_LISTENER_ANNOTATION}]`;
    const instead = 'write "disabled" or "enabled"';
    wrong.push(invalid(field, `${quoted(choice)} is none of the two: ${instead}`));
  }
  const isWanted = choice !== 'disabled';
  const isThere = written.some(({ name }) => name === DEFAULT_LISTENER);
  const count = written.length + (isWanted && !isThere ? 1 : 0);
  if (count === 0) {
    const what = 'must have a listener where the default one is disabled';
    wrong.push(required(LISTENERS, what));
  }
  // So much is not looked at one by one: a call has its time.
  if (count > MOST_LISTENERS) {
    const room = `remove some, as a Gateway has room for ${MOST_LISTENERS}`;
    const what = `has ${count} listeners, the default one included: ${room}`;
    wrong.push(violation(LISTENERS, 'FieldValueTooMany', what));
    return [];
  }
  if (written.reduce((length, { rest }) => length + rest.length, 0) > MOST_TEXT) {
    wrong.push(invalid(LISTENERS, `are too long: there is room for ${MOST_TEXT} characters`));
    return [];
  }
  const listeners = written.map((listener, index) => {
    const field = `${LISTENERS}[${index}]`;
    checkListener(field, listener, wrong);
    if (written.findIndex(({ name }) => name === listener.name) < index) {
      const what = `another listener is called ${quoted(listener.name)} too: write another name`;
      wrong.push(violation(`${field}.name`, 'FieldValueDuplicate', what));
    }
    if (listener.name !== DEFAULT_LISTENER) {
      return { ...listener, hostname: hostnameOf(listener.hostname, domains, old) };
    }
    const named = { ...listener, hostname: `*.${domains.clusterDomain}` };
    return isWanted ? corrected(named) : named;
  });
  if (isWanted && !isThere) {
    const added = { name: DEFAULT_LISTENER, hostname: `*.${domains.clusterDomain}`, rest: '{}' };
    listeners.push(corrected(added));
  }
  return listeners;
}

function checkListener(field, { name, hostname, port, protocol, rest }, wrong) {
  if (!isSubdomain(name)) {
    const instead = "write lower case letters, digits, '-' and '.'";
    const what = `${quoted(name)} is not the name of a listener: ${instead}`;
    wrong.push(invalid(`${field}.name`, what));
  }
  if (hostname !== null && !isHostname(hostname)) {
    const leave = 'or leave it out to have it made from the domain';
    const instead = `write one such as a.ofn.io or *.ofn.io, ${leave}`;
    wrong.push(invalid(`${field}.hostname`, `${quoted(hostname)} is not a host name: ${instead}`));
  }
  if (port === 0) {
    wrong.push(invalid(`${field}.port`, 'must be between 1 and 65535'));
  }
  if (protocol === '') {
    wrong.push(required(`${field}.protocol`, 'must be set: HTTP, HTTPS, TLS, TCP or UDP'));
  } else if (!isProtocol(protocol)) {
    const instead = "write HTTP, HTTPS, TLS, TCP, UDP, or a vendor's own such as example.com/mine";
    wrong.push(invalid(`${field}.protocol`, `${quoted(protocol)} is not a protocol: ${instead}`));
  }
  if (!isObject(rest)) {
    wrong.push(invalid(field, 'is not a JSON object: write {} where it has no other fields'));
  }
}

// A host name stays if it lies under one of the domains, unless it was generated for one that the
// spec had before.
function hostnameOf(written, { domain, clusterDomain }, old) {
  if (old && written === `*.${old.domain}` && old.domain !== domain) return `*.${domain}`;
  if (old && written === `*.${old.clusterDomain}` && old.clusterDomain !== clusterDomain) {
    return `*.${clusterDomain}`;
  }
  const stays = written !== null && (isUnder(written, domain) || isUnder(written, clusterDomain));
  return stays ? written : `*.${domain}`;
}

// The default listener as it must be: plain HTTP on port 80, for routes from everywhere. Other
// fields stay, but for `tls`, with which a Gateway refuses HTTP.
function corrected(listener) {
  const right = { ...listener, port: 80, protocol: 'HTTP' };
  const rest = membersOf(listener.rest);
  const allowed = membersOf(rest.get('allowedRoutes') ?? '{}');
  const namespaces = membersOf(allowed.get('namespaces') ?? '{}');
  const isOpen = namespaces.size === 1 && namespaces.get('from') === '"All"';
  if (isOpen && !rest.has('tls')) return right;
  rest.delete('tls');
  allowed.set('namespaces', '{"from":"All"}');
  rest.set('allowedRoutes', objectOf(allowed));
  return { ...right, rest: objectOf(rest) };
}
