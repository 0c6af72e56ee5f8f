// Where the entry Service points, and with which ports. There is no Service of a data plane in the
// cluster: functions are reached by the name of the load balancer, or a Service that the user chose.

import { isDnsName, isLabel, isSubdomain } from './names.js';
import { invalid, quoted, valueOf } from './text.js';

const ENTRY_SERVICE = 'gateway';
const ENTRY_SERVICE_ANNOTATION = 'networking.openfunction.io/entry-service';

/** Which Services a decision needs to see. */
export function queries(seen) {
  const chosen = chosenService(seen);
  return chosen ? [{ tag: 'by-name', val: chosen }] : [];
}

/** The entry; null while nothing is known. */
export function entry(seen) {
  const chosen = chosenService(seen);
  const target = chosen ? service(seen, chosen) : loadBalancer(seen);
  return target ? { target, ports: ports(seen.spec.listeners) } : null;
}

function chosenService({ annotations, name: own }) {
  const chosen = valueOf(annotations, ENTRY_SERVICE_ANNOTATION);
  if (chosen === undefined) return undefined;
  const wrong = (what) =>
    invalid(`metadata.annotations[${ENTRY_SERVICE_ANNOTATION}]`, `${quoted(chosen)} ${what}`);
  if (chosen === `${own.namespace}/${ENTRY_SERVICE}`) {
    throw [wrong('is the entry itself: write the Service of the data plane')];
  }
  const [namespace, name = '', ...more] = chosen.split('/', 3);
  if (isLabel(namespace) && isSubdomain(name) && more.length === 0) return { namespace, name };
  throw [wrong('is not a Service: write <namespace>/<name>')];
}

function service({ services }, { namespace, name }) {
  const isChosen = (other) => other.name.namespace === namespace && other.name.name === name;
  const found = services.find(isChosen);
  return found && { tag: 'service', val: found.name };
}

function loadBalancer({ kubernetesGateway }) {
  const addresses = kubernetesGateway?.addresses ?? [];
  const names = addresses
    .filter(({ type }) => type === 'Hostname')
    .map(({ value }) => value.toLowerCase());
  const isLocal = (name) => name === 'localhost' || name.endsWith('.localhost');
  const name = names.find((name) => isDnsName(name) && !isLocal(name));
  return name && { tag: 'host-name', val: name };
}

// One port for each port and protocol, named after the first listener that has it, if that name is
// valid and free.
function ports(listeners) {
  const ports = [];
  for (const { name, port, protocol: written } of listeners) {
    const protocol = written === 'UDP' ? 'UDP' : 'TCP';
    if (ports.some((other) => other.port === port && other.protocol === protocol)) continue;
    const plain = `${protocol.toLowerCase()}-${port}`;
    const isFree = (name) => isLabel(name) && !ports.some((other) => other.name === name);
    const numbered = ports.map((_, index) => `${plain}-${index + 2}`);
    ports.push({ name: [name, plain, ...numbered].find(isFree), port, protocol });
  }
  return ports;
}
