// Names as Kubernetes and the Gateway API restrict them.

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const WORD = /^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$/;
const PATH = /^\/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$/;
const IPV4 = /^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(?!$)|$)){4}$/;

/** One label of a DNS name. */
export const isLabel = (name) => name.length <= 63 && LABEL.test(name);

/** The name of an object: labels, which may be longer here, joined by dots. */
export const isSubdomain = (name) =>
  name.length <= 253 && name.split('.').every((label) => LABEL.test(label));

/** What a resolver can ask for; no IPv4 address. */
export const isDnsName = (name) =>
  name.length <= 253 && name.split('.').every(isLabel) && !IPV4.test(name);

/** A DNS name, or `*.` and one. */
export const isHostname = (name) => name.length <= 253 && isDnsName(withoutWildcard(name));

/** Whether a host name is `domain` or lies under it, label by label. */
export const isUnder = (hostname, domain) =>
  `.${withoutWildcard(hostname)}`.endsWith(`.${domain}`);

const withoutWildcard = (name) => (name.startsWith('*.') ? name.slice(2) : name);

/** The key of a label: a name, perhaps after a DNS subdomain and `/`. */
export function isLabelKey(key) {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  return (slash < 0 || isSubdomain(key.slice(0, slash))) && name !== '' && isLabelValue(name);
}

const isLabelValue = (value) => value.length <= 63 && LABEL_VALUE.test(value);

/** What an HTTPRoute takes as a path: nothing that a proxy may read as another one. */
export const isPath = (path) =>
  path.length <= 1024 && PATH.test(path) && !/\/\/|\/\.\.?(\/|$)|%2f/i.test(path);

/** The name of a protocol: `HTTP`, or a vendor's own such as `example.com/mine`. */
export function isProtocol(protocol) {
  if (protocol.length > 255) return false;
  const slash = protocol.indexOf('/');
  if (slash < 0) return WORD.test(protocol);
  return isSubdomain(protocol.slice(0, slash)) && /^[A-Za-z0-9]+$/.test(protocol.slice(slash + 1));
}
