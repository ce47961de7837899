/** Text for a place in HTML: a name that a person gave, or a link, is no markup. */
export const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
