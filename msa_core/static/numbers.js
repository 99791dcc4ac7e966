// On the Numbers tab: heads sort the tables, the choice survives a new table, the whole evaluation is saved.
const orders = [], tables = () => [...element.querySelectorAll('.mm-table')];
function sort(table, order) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const at = heads.findIndex(h => h.dataset.column === order.column);
  heads.forEach((h, i) => h.setAttribute('aria-sort', i === at ? order.way : 'none'));
  const rows = [...body.rows].sort((a, b) => a.dataset.place - b.dataset.place);
  const value = row => row.cells[at].dataset.value, sign = order.way === 'descending' ? -1 : 1;
  if (at === 0) rows.sort((a, b) => sign * value(a).localeCompare(value(b)));
  if (at > 0) rows.sort((a, b) => value(a) === '' || value(b) === '' ? (value(a) === '') - (value(b) === '')
    : sign * (value(a) - value(b)));
  if (order.way === 'none') rows.sort((a, b) => a.dataset.place - b.dataset.place);
  body.append(...rows);
}
element.addEventListener('click', async event => {
  const head = event.target.closest('.mm-table th[data-column]'), save = event.target.closest('[data-save]');
  if (head) {
    const table = head.closest('.mm-table'), order = orders[tables().indexOf(table)] ??= {column: null, way: 'none'};
    const first = head.dataset.first, second = first === 'ascending' ? 'descending' : 'ascending';
    const next = {none: first, [first]: second, [second]: 'none'};
    order.way = order.column === head.dataset.column ? next[order.way] : first;
    order.column = head.dataset.column;
    sort(table, order);
  }
  if (save) {
    const text = await server.as_json(save.dataset.save), link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], {type: 'application/json'}));
    link.download = save.dataset.save + '.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
});
watch('value', () => tables().forEach((table, i) => orders[i] && sort(table, orders[i])));
