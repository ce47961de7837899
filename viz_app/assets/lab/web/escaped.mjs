/** Text for Plotly, which knows some markup, and variables in its templates: %{x}. @param {string} text */
export const escapedInPlotly = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`).replaceAll("%{", "%&#123;");
