// The imports of all components: preact, and tagged templates, which need no build step.

import { h } from './vendor/preact.js'
import htm from './vendor/htm.js'

export { Component, createRef, render } from './vendor/preact.js'

export const html = htm.bind(h)
