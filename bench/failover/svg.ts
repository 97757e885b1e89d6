/** The few marks that the plots are made of. Colours are classes: the page's style gives them, light and dark. */

export function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

export function svg(
  width: number,
  height: number,
  title: string,
  marks: readonly string[],
): string {
  return (
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">` +
    `${marks.join('')}</svg>`
  );
}

export function line(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${kind}" x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}"/>`;
}

export function rect(kind: string, x: number, y: number, width: number, height: number): string {
  return `<rect class="${kind}" x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}"/>`;
}

export function dot(kind: string, x: number, y: number, radius: number): string {
  return `<circle class="${kind}" cx="${n(x)}" cy="${n(y)}" r="${n(radius)}"/>`;
}

export function text(
  kind: string,
  x: number,
  y: number,
  content: string,
  anchor: 'start' | 'middle' | 'end' = 'start',
): string {
  return `<text class="${kind}" x="${n(x)}" y="${n(y)}" text-anchor="${anchor}">${escape(content)}</text>`;
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}
