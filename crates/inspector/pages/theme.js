// Before the first paint, so that a dark page does not flash white.
{
  const wanted = localStorage.getItem('theme');
  if (wanted === 'light' || wanted === 'dark') document.documentElement.dataset.theme = wanted;
}
