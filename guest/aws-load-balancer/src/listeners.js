// Which listeners a load balancer of AWS takes. Source of the rules: validateListenerList in
// pkg/gateway/routeutils/listener_utils.go of the AWS Load Balancer Controller (225f445). It asks
// for no certificate: it finds one by the host name.

import { DEFAULT_LISTENER, DEFAULT_LISTENER_ANNOTATION } from './defaults.js';
import { parsed } from './json.js';
import { quoted, valueOf } from './text.js';

const INJECTED_ANNOTATION = 'networking.openfunction.io/injected-listeners';

const ALB = {
  name: 'an Application Load Balancer',
  controller: 'gateway.k8s.aws/alb',
  protocols: ['HTTP', 'HTTPS'],
  routes: ['HTTPRoute', 'GRPCRoute'],
};
const NLB = {
  name: 'a Network Load Balancer',
  controller: 'gateway.k8s.aws/nlb',
  protocols: ['TCP', 'UDP', 'TLS'],
  routes: ['TCPRoute', 'TLSRoute', 'UDPRoute'],
};
const LOAD_BALANCERS = [ALB, NLB];

/** The names of the controllers, one for each kind of load balancer. */
export const CONTROLLERS = LOAD_BALANCERS.map(({ controller }) => controller);

/** The listeners for the Kubernetes Gateway, and those of the spec that it must not have. */
export function place({ spec, kubernetesGateway, gatewayClass }) {
  const isOurs = ({ controller }) => controller === gatewayClass?.controllerName;
  const balancer = LOAD_BALANCERS.find(isOurs);
  const others = kubernetesGateway ? ofOthers(kubernetesGateway) : [];
  const listeners = [];
  const refusals = [];
  for (const listener of spec.listeners.map(forKubernetes)) {
    const beside = [...others, ...listeners];
    const refusal = (balancer && refused(balancer, listener, beside)) ?? same(listener, listeners);
    if (refusal) {
      refusals.push({ listener: listener.name, ...refusal });
    } else {
      listeners.push(listener);
    }
  }
  return { listeners, refusals };
}

// TCP and UDP have no host names there. Source: the CRD.
const forKubernetes = (listener) =>
  ['TCP', 'UDP'].includes(listener.protocol) ? { ...listener, hostname: null } : listener;

// What we put there is in an annotation.
function ofOthers({ annotations, listeners }) {
  const injected = parsed(valueOf(annotations, INJECTED_ANNOTATION) ?? '[]');
  const names = Array.isArray(injected) ? injected.map((listener) => listener?.name) : [];
  const ours = new Set(names);
  return listeners.filter(({ name }) => !ours.has(name));
}

// Why a load balancer refuses a listener beside these others; undefined if it does not. That no two
// of one port may have one host name is said by the protocols, and by `same`.
function refused(balancer, listener, beside) {
  const { port, protocol } = listener;
  const kinds = parsed(listener.rest)?.allowedRoutes?.kinds;
  const names = Array.isArray(kinds) ? kinds.map((route) => route?.kind) : [];
  const isOdd = (name) => typeof name === 'string' && !balancer.routes.includes(name);
  const odd = names.find(isOdd);
  if (odd !== undefined) {
    const instead = `write ${either(balancer.routes)} into allowedRoutes.kinds`;
    const message = `${balancer.name} has no routes of kind ${quoted(odd)}: ${instead}`;
    return { reason: 'InvalidRouteKinds', message };
  }
  if (!balancer.protocols.includes(protocol)) {
    return { reason: 'UnsupportedProtocol', message: unsupported(balancer, listener) };
  }
  // The first listener of a port decides on its protocol; those that are refused do not count.
  const isServed = (other) => other.port === port && balancer.protocols.includes(other.protocol);
  const first = beside.find(isServed);
  const both = [first?.protocol ?? protocol, protocol].sort();
  if (both[0] !== both[1] && both.join() !== 'TCP,UDP') {
    const where = `on port ${port}, where listener ${first.name} has ${first.protocol}`;
    const message = `${balancer.name} cannot serve ${protocol} ${where}: write another port`;
    return { reason: 'ProtocolConflict', message };
  }
  return undefined;
}

function unsupported(balancer, { name, protocol }) {
  const what = `${balancer.name} does not serve ${protocol}`;
  const other = LOAD_BALANCERS.find(({ protocols }) => protocols.includes(protocol));
  const gateway = other && `take a Gateway whose class has the controller ${other.controller}`;
  const instead =
    name === DEFAULT_LISTENER
      ? `set annotation ${DEFAULT_LISTENER_ANNOTATION} to "disabled"`
      : `write ${either(balancer.protocols)}`;
  return `${what}: ${[instead, gateway].filter(Boolean).join(', or ')}`;
}

const either = (words) => `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

// The Gateway API calls two listeners the same that have port, protocol and host name in common.
// Where the other one is not of this object, the host reports whose it is.
function same({ hostname, port, protocol }, ours) {
  const isSame = (other) =>
    other.port === port && other.protocol === protocol && other.hostname === hostname;
  const other = ours.find(isSame);
  if (!other) return undefined;
  const serves = `serves ${protocol} for ${hostname ?? 'every host'} on port ${port} already`;
  const instead = 'give one of them another host name or port';
  const message = `listener ${other.name} of this object ${serves}: ${instead}`;
  return { reason: 'ListenerConflict', message };
}
