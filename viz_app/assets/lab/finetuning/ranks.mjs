// Spearman's rank correlation: how well two lists agree on order, whatever their scales.

/** The correlation of pairs; ties share their mean rank. NaN where one side is constant. @param {[number, number][]} pairs */
export function rankCorrelation(pairs) {
  const [a, b] = [ranks(pairs.map(([x]) => x)), ranks(pairs.map(([, y]) => y))];
  const mean = (pairs.length - 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < pairs.length; i++) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) ** 2;
    bb += (b[i] - mean) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** @param {number[]} values */
function ranks(values) {
  const sorted = [...values.keys()].sort((i, j) => values[i] - values[j]);
  /** @type {number[]} */
  const result = new Array(values.length);
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (j + 1 < sorted.length && values[sorted[j + 1]] === values[sorted[i]]) j++;
    for (let k = i; k <= j; k++) result[sorted[k]] = (i + j) / 2;
    i = j + 1;
  }
  return result;
}
