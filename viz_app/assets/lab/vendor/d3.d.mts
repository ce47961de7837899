export { bisectLeft, bisectRight, bisector, extent, max, median, min, quantileSorted, range, ticks } from "d3-array";
export { format, formatLocale } from "d3-format";
export { scaleLinear, scaleLog, scaleSymlog, tickFormat } from "d3-scale";
