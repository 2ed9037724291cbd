/**
 * A picture of a run, for the README.
 */
import type { Line, Report } from "./report.ts"

interface Bar {
  readonly label: string
  readonly value: number
  readonly isOurs: boolean
}

interface Chart {
  readonly title: string
  readonly unit: string
  readonly bars: ReadonlyArray<Bar>
}

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const besideIn = (line: Line | undefined, what: string, label: string): ReadonlyArray<Bar> =>
  (line?.beside ?? []).filter((it) => it.what === what).map(({ value }) => ({ label, value, isOurs: false }))

const ours = (line: Line | undefined, label: string): ReadonlyArray<Bar> =>
  line === undefined ? [] : [{ label, value: line.ours.median, isOurs: true }]

const raw = (line: Line | undefined, label: string): ReadonlyArray<Bar> =>
  line?.raw === undefined ? [] : [{ label, value: line.raw.median, isOurs: false }]

/** What the run has to show; charts of rows that were not measured are left out. */
export const charts = ({ lines }: Report): ReadonlyArray<Chart> => {
  const find = (name: string) => lines.find((line) => line.name === name)
  const durable = find("durable")
  const memory = find("memory")
  const sizes = ["4 KiB", "64 KiB", "1 MiB"].flatMap((name) => [
    ...ours(find(name), `${name}: ours, memory store`),
    ...raw(find(name), `${name}: raw stream`)
  ])
  return [
    {
      title: "messages of 256 B, one way, two processes",
      unit: "msg/s",
      bars: [
        ...besideIn(durable, "one sync per message", "SQLite, one sync per message"),
        ...raw(memory ?? durable, "raw libp2p, awaited writes"),
        ...ours(durable, "ours, SQLite with full sync"),
        ...ours(memory, "ours, memory store")
      ]
    },
    { title: "larger messages", unit: "MiB/s", bars: sizes }
  ].filter(({ bars }) => bars.length > 0)
}

const width = 720
const left = 230
const barHeight = 20
const step = 28

const drawBar = (bar: Bar, { most, top, unit }: { most: number; top: number; unit: string }): string => {
  const length = Math.max(1, ((width - left - 130) * bar.value) / most)
  const colour = bar.isOurs ? "#2f6fde" : "#9aa4b2"
  const value = `${Math.round(bar.value).toLocaleString("en")} ${unit}`
  return [
    `<text x="${left - 8}" y="${top + 15}" text-anchor="end">${escape(bar.label)}</text>`,
    `<rect x="${left}" y="${top}" width="${length.toFixed(1)}" height="${barHeight}" fill="${colour}"/>`,
    `<text x="${(left + length + 6).toFixed(1)}" y="${top + 15}">${value}</text>`
  ].join("")
}

/** The picture, as SVG. */
export const svg = (report: Report): string => {
  const parts: Array<string> = []
  let top = 16
  for (const { bars, title, unit } of charts(report)) {
    parts.push(`<text x="8" y="${top + 8}" font-weight="bold">${escape(`${title} (${unit})`)}</text>`)
    top += 22
    const most = Math.max(...bars.map(({ value }) => value))
    for (const bar of bars) {
      parts.push(drawBar(bar, { most, top, unit }))
      top += step
    }
    top += 16
  }
  const frame = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}"`
  const ground = `<rect width="100%" height="100%" fill="#ffffff"/>`
  return `${frame} font-family="sans-serif" font-size="13" fill="#1b1f24">\n${[ground, ...parts].join("\n")}\n</svg>\n`
}
