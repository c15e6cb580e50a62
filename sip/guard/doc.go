// Package guard says whom the SIP port lets in: which hosts name this cluster,
// whether a request proves by digest to come from the DN that it says (RFC 3261
// §22), and how much that is new is taken in a second. Registrar and proxy ask
// it; it keeps no state of calls or registrations.
package guard
