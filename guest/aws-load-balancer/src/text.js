// Texts for a person, and what the contract carries as JSON.

// Control characters, and those that turn the direction of the text around them.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Whether a terminal shows a text as what it is. */
export const isPrintable = (text) => text.search(UNPRINTABLE) < 0;

/** At most so many bytes of a text, with a space for what cannot be printed. */
export const printable = (text, most) => cut(text, most).replace(UNPRINTABLE, ' ');

/** How many bytes a text has in UTF-8. */
export function byteLength(text) {
  let bytes = text.length;
  // Character by character is slow, and most texts are ASCII.
  for (const char of text.replace(/[\u0000-\u007f]+/g, '')) {
    const code = char.codePointAt(0);
    bytes += (code < 0x800 ? 2 : code < 0x10000 ? 3 : 4) - char.length;
  }
  return bytes;
}

/** At most so many bytes of a text, in UTF-8. */
export function cut(text, most) {
  let start = text.slice(0, most);
  for (let over; (over = byteLength(start) - most) > 0; ) {
    // No unit of UTF-16 has more than three bytes.
    start = start.slice(0, -Math.ceil(over / 3));
  }
  return start.replace(/[\ud800-\udbff]$/, '');
}

/** A text as a message quotes it. */
export const quoted = (text) => JSON.stringify(printable(text, 300));

/** What is wrong with a field, in the terms of a Kubernetes status cause. */
export const violation = (field, reason, message) => ({
  field: printable(field, 1000),
  reason,
  message: printable(message, 1000),
});

export const required = (field, message) => violation(field, 'FieldValueRequired', message);
export const invalid = (field, message) => violation(field, 'FieldValueInvalid', message);

/** The value of a key in a list of keys and values; undefined if it is not there. */
export const valueOf = (list, key) => list.find((pair) => pair.key === key)?.value;
