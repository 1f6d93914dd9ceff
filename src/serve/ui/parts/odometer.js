// A counter whose digits roll.

import * as format from '../format.js'
import { Component, createRef, html } from '../html.js'

/** All digits twice, so that a wheel can roll from 9 to 0. */
const DIGITS = [...'01234567890123456789'].join('\n')
const ROLL = { duration: 250, easing: 'ease-in-out' }

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)')
const offset = (digit) => `translateY(${-digit}lh)`

class Wheel extends Component {
  constructor(props) {
    super(props)
    this.faces = createRef()
  }

  componentDidUpdate({ digit: from }) {
    const { digit } = this.props
    if (digit === from || reducedMotion.matches || document.hidden) return
    const to = digit < from ? digit + 10 : digit
    this.faces.current.animate([{ transform: offset(from) }, { transform: offset(to) }], ROLL)
  }

  render({ digit }) {
    const style = { transform: offset(digit) }
    return html`<span class="wheel"><span class="faces" ref=${this.faces} style=${style}>${DIGITS}</span></span>`
  }
}

/** `value`: a whole number; `label`: what it counts. */
export function Odometer({ value, label }) {
  const digits = [...String(value)]
  // Keyed by the position from the right, so that a new leading digit does not change the other wheels.
  const wheels = digits.map((digit, i) => html`
    <${Wheel} key=${digits.length - i} digit=${Number(digit)} />`)
  return html`
    <span class="odometer">
      <span class="visually-hidden">${format.count(value)} ${label}</span>
      <span class="wheels" aria-hidden="true">${wheels}</span>
    </span>`
}
