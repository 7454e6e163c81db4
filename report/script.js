'use strict';
(() => {
  const tools = document.getElementById('tools');
  const search = document.getElementById('search');
  const matches = document.getElementById('matches');
  const buttons = [...tools.querySelectorAll('button')];
  const findings = [...document.querySelectorAll('#findings article')];
  const rows = [...document.querySelectorAll('main tbody tr')];
  const folds = [...document.querySelectorAll('details.table, details.owner')];
  const texts = new WeakMap();
  const wereOpen = new Map();

  const textOf = (node) => {
    if (!texts.has(node)) texts.set(node, node.textContent.toLowerCase());
    return texts.get(node);
  };
  // The name of the proxy counts for the rows of its tables.
  const contextOf = (row) => {
    const owner = row.closest('details.owner');
    return owner ? textOf(owner.querySelector('summary')) : '';
  };
  const severities = () => new Set(buttons.filter((b) => b.getAttribute('aria-pressed') === 'true').map((b) => b.dataset.severity));

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = severities();
    const all = words.length > 0;
    const fits = (node, context) => words.every((word) => textOf(node).includes(word) || context.includes(word));
    let found = 0;
    for (const finding of findings) {
      finding.hidden = !shown.has(finding.dataset.severity) || !fits(finding, '');
      if (!finding.hidden) found++;
    }
    let hits = 0;
    for (const row of rows) {
      row.hidden = all && !fits(row, contextOf(row));
      if (!row.hidden) hits++;
    }
    unfold(all);
    matches.textContent = all || shown.size < buttons.length
      ? found + ' of ' + findings.length + ' findings' + (all ? ', ' + hits + ' of ' + rows.length + ' rows' : '')
      : '';
  };

  // While a search is on, what holds a match is open, and the rest is away.
  const unfold = (searching) => {
    for (const fold of folds) {
      if (!searching) {
        fold.hidden = false;
        if (wereOpen.has(fold)) fold.open = wereOpen.get(fold);
        continue;
      }
      if (!wereOpen.has(fold)) wereOpen.set(fold, fold.open);
      fold.hidden = fold.querySelector('tbody tr:not([hidden])') === null;
      fold.open = !fold.hidden;
    }
    if (!searching) wereOpen.clear();
  };

  let timer = 0;
  search.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 80);
  });
  tools.addEventListener('submit', (event) => event.preventDefault());
  for (const button of buttons) {
    button.addEventListener('click', () => {
      button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
      filter();
    });
  }
  tools.hidden = false;

  // A link into something folded opens it.
  const follow = () => {
    let id = '';
    try {
      id = decodeURIComponent(location.hash.slice(1));
    } catch {
      return;
    }
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let node = target; node; node = node.parentElement) {
      if (node.tagName === 'DETAILS') node.open = true;
      node.hidden = false;
    }
    const inner = target.querySelector(':scope > details');
    if (inner) inner.open = true;
    target.scrollIntoView();
    if (target.tabIndex >= 0 || target.hasAttribute('tabindex')) target.focus({preventScroll: true});
  };
  addEventListener('hashchange', follow);
  follow();

  const closed = [];
  addEventListener('beforeprint', () => {
    for (const fold of document.querySelectorAll('#findings details:not([open])')) {
      fold.open = true;
      closed.push(fold);
    }
  });
  addEventListener('afterprint', () => {
    for (const fold of closed.splice(0)) fold.open = false;
  });
})();
