/** Text for a place in HTML: a name that a person gave, or a link, is no markup. */
export const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** The same for Plotly's texts, which know some markup, and variables in their templates: %{x}. */
export const escapedInPlotly = (text) => escaped(text).replaceAll("%{", "%&#123;");
