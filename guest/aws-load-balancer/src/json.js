// What the contract carries as JSON.

// More exhausts memory or stack. All listeners together have less.
const LONGEST = 96 << 10;
const DEEPEST = 100;

// It goes to the end where a string has none: to look on from each quote would take for ever.
const STRING = /"(?:[^"\\]+|\\[^]?)*(?:"|$)/g;
const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/** What a text says; undefined if it is no JSON, or too much to read. */
export function parsed(json) {
  if (json.length > LONGEST) return undefined;
  let depth = 0;
  for (const bracket of json.replace(STRING, '').replace(/[^[\]{}]+/g, '')) {
    depth += '[{'.includes(bracket) ? 1 : -1;
    if (depth > DEEPEST) return undefined;
  }
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Whether a text is a JSON object. */
export function isObject(json) {
  const value = parsed(json);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The members of a JSON object, each as the text of its value: a number that JavaScript cannot hold
 * stays what it is. None if it is no object.
 */
export function membersOf(json) {
  const members = new Map();
  if (!isObject(json)) return members;
  let depth = 0;
  let key;
  let text;
  for (const [token] of json.matchAll(TOKEN)) {
    if (token === '}' || token === ']') depth -= 1;
    if (key === undefined) {
      if (depth === 1) [key, text] = [JSON.parse(token), ''];
    } else if (depth === 0 || (depth === 1 && token === ',')) {
      members.set(key, text);
      key = undefined;
    } else if (token !== ':' || text !== '') {
      text += token;
    }
    if (token === '{' || token === '[') depth += 1;
  }
  return members;
}

/** The JSON object with these members. */
export const objectOf = (members) =>
  `{${[...members].map(([key, text]) => `${JSON.stringify(key)}:${text}`).join()}}`;
