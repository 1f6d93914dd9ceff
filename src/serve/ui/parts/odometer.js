// A counter whose digits roll.

import * as format from '../format.js'
import { Component, createRef, html } from '../html.js'

/** Twice around, so that a wheel rolls from 9 on to 0. */
const FACES = [...'01234567890123456789'].join('\n')
const ROLL = { duration: 250, easing: 'ease-in-out' }

const calm = matchMedia('(prefers-reduced-motion: reduce)')
const at = (digit) => `translateY(${-digit}lh)`

class Wheel extends Component {
  constructor(props) {
    super(props)
    this.faces = createRef()
  }

  componentDidUpdate({ digit: from }) {
    const { digit } = this.props
    if (digit === from || calm.matches || document.hidden) return
    const to = digit < from ? digit + 10 : digit
    this.faces.current.animate([{ transform: at(from) }, { transform: at(to) }], ROLL)
  }

  render({ digit }) {
    const style = { transform: at(digit) }
    return html`<span class="wheel"><span class="faces" ref=${this.faces} style=${style}>${FACES}</span></span>`
  }
}

/** `value`, a whole number, of what `label` says. */
export function Odometer({ value, label }) {
  const digits = [...String(value)]
  // By their place from the right, so that a wheel stays the same one when there are more.
  const wheels = digits.map((digit, i) => html`
    <${Wheel} key=${digits.length - i} digit=${Number(digit)} />`)
  return html`
    <span class="odometer">
      <span class="unseen">${format.count(value)} ${label}</span>
      <span class="wheels" aria-hidden="true">${wheels}</span>
    </span>`
}
