// Curves over the seconds of a race.

import * as format from '../format.js'
import { Component, createRef, html } from '../html.js'
import uPlot from '../vendor/uplot.js'

const dark = matchMedia('(prefers-color-scheme: dark)')

/** Returns the value of a colour variable of style.css. */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

/**
 * `props`: `label`: what the chart shows; `curves`, each with `name`, `colour` (a name of style.css), `dash`, `width`
 * and `outputs` from second 1, null for none; `seconds`: the length of a race; `height` in px.
 */
export class Chart extends Component {
  constructor(props) {
    super(props)
    this.container = createRef()
    this.createPlot = this.createPlot.bind(this)
  }

  componentDidMount() {
    this.createPlot()
    this.resizeObserver = new ResizeObserver(() => {
      const width = this.container.current.clientWidth
      if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.props.height })
    })
    this.resizeObserver.observe(this.container.current)
    dark.addEventListener('change', this.createPlot)
  }

  componentDidUpdate(before) {
    const names = ({ curves }) => curves.map(({ name, colour }) => `${name} ${colour}`).join()
    if (names(before) !== names(this.props) || before.seconds !== this.props.seconds) this.createPlot()
    else this.plot.setData(this.data())
  }

  componentWillUnmount() {
    this.resizeObserver.disconnect()
    dark.removeEventListener('change', this.createPlot)
    this.plot.destroy()
  }

  data() {
    const { curves, seconds } = this.props
    const x = Array.from({ length: seconds }, (_, i) => i + 1)
    return [x, ...curves.map(({ outputs }) => x.map((second) => outputs[second - 1] ?? null))]
  }

  createPlot() {
    const { curves, seconds, height } = this.props
    this.plot?.destroy()
    const axis = { stroke: colour('faint'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false } }
    const font = `12px ${getComputedStyle(document.body).fontFamily}`
    const values = (_, splits) => splits.map(format.seconds)
    const options = {
      width: this.container.current.clientWidth || 300,
      height,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      cursor: { drag: { setScale: false }, points: { show: false } },
      scales: { x: { time: false, range: [1, seconds] } },
      axes: [
        { ...axis, font, values, incrs: [30, 60, 120, 300, 600, 1_200], size: 28 },
        { ...axis, font, size: 44 },
      ],
      series: [
        {},
        ...curves.map((curve) => ({
          stroke: colour(curve.colour),
          width: curve.width ?? 1.5,
          dash: curve.dash,
          points: { show: false },
          spanGaps: true,
        })),
      ],
    }
    this.plot = new uPlot(options, this.data(), this.container.current)
  }

  render({ label, curves }) {
    return html`
      <figure class="chart">
        <div role="img" aria-label=${label} ref=${this.container}></div>
        <figcaption>
          ${curves.map(({ name, colour, dash }) => html`
            <span class="key"><i class="stroke ${colour} ${dash ? 'dashed' : ''}"></i>${name}</span>`)}
        </figcaption>
      </figure>`
  }
}
