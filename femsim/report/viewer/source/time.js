// Courses of the screws: linear between the stored days, constant after the last one.

export function lastDay(design) {
  const { days } = design.timeline;
  return days.length ? days[days.length - 1] : 0;
}

export function valueAt(design, column, screw, day) {
  const { days, columns } = design.timeline;
  const course = columns[column] && columns[column][screw];
  if (!course || !days.length) return null;
  if (day >= days[days.length - 1]) return course[days.length - 1];
  let low = 0, high = days.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (days[middle] <= day) low = middle;
    else high = middle;
  }
  const [a, b] = [course[low], course[high]];
  if (a === null || b === null || high === low) return a;
  const t = Math.max(0, (day - days[low]) / (days[high] - days[low]));
  return a + t * (b - a);
}

export function isLoose(screw, day) {
  return screw.loose_day !== null && screw.loose_day !== undefined && day >= screw.loose_day;
}
