// Host names, path and label of a function.

import { isHostname, isLabelKey, isPath } from './names.js';
import { invalid, quoted } from './text.js';

// More than any host name or path has.
const LONGEST = 4096;

/** The route of a function; throws what is wrong with the spec. */
export function routeOf(spec, { namespace, name }) {
  const wrong = [];
  const evaluate = (field, template, data) => {
    try {
      return evaluated(template, data);
    } catch (error) {
      wrong.push(invalid(field, error.message));
      return '';
    }
  };
  const fields = { Name: name, Namespace: namespace };
  const hostFields = { ...fields, Domain: spec.domain };
  const external = evaluate('spec.hostTemplate', spec.hostTemplate, hostFields);
  const path = evaluate('spec.pathTemplate', spec.pathTemplate, fields).replace(/^\/*/, '/');
  const key = spec.httpRouteLabelKey;
  const of = `for function ${namespace}/${name}`;
  const isEvaluated = wrong.length === 0;
  if (isEvaluated && !isHostname(external)) {
    const instead = "write one that gives lower case letters, digits, '-' and '.'";
    const what = `gives ${quoted(external)} ${of}, which is not a host name: ${instead}`;
    wrong.push(invalid('spec.hostTemplate', what));
  }
  if (!isLabelKey(key)) {
    const instead = 'write one such as example.com/managed-by';
    const what = `${quoted(key)} is not the key of a label: ${instead}`;
    wrong.push(invalid('spec.httpRouteLabelKey', what));
  }
  if (isEvaluated && !isPath(path)) {
    const instead =
      "write one that gives at most 1024 letters, digits and -._~!$&'()*+,;=:@, without '//', '/./' and '/../'";
    const what = `gives ${quoted(path)} ${of}, which an HTTPRoute does not take as a path: ${instead}`;
    wrong.push(invalid('spec.pathTemplate', what));
  }
  if (wrong.length > 0) throw wrong;
  return {
    hostnames: [external, `${name}.${namespace}.svc.${spec.clusterDomain}`],
    path,
    label: { key, value: `${namespace}.${name}` },
  };
}

const ACTION = /\{\{(?:[ \t\r\n]*\.(\w+)[ \t\r\n]*\}\})?/g;

// Of Go's text/template, text and fields: `{{ .Name }}`. All else is an error, never another text
// than Go's.
function evaluated(template, data) {
  let text = '';
  let done = 0;
  for (const { 0: action, 1: name, index } of template.matchAll(ACTION)) {
    if (!Object.hasOwn(data, name ?? '')) {
      const known = Object.keys(data).map((name) => `{{.${name}}}`).join(', ');
      throw new Error(`at character ${index + 1}: the only actions are ${known}`);
    }
    text += template.slice(done, index) + data[name];
    done = index + action.length;
    if (text.length > LONGEST) break;
  }
  text += template.slice(done);
  if (text.length > LONGEST) throw new Error('the result is too long');
  return text;
}
