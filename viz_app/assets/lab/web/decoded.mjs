/** A part of an address, without its escapes; as it stands where a stray % was typed, or an escape was cut off. @param {string} text */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
