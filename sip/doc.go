// Package sip is the node's SIP port: it receives what phones send, checks it,
// authenticates REGISTER and keeps the bindings of the DNs that are registered
// at this node. It is the only package that knows sipgo, which does the
// transports and transactions; the node calls New and Run.
//
// A message takes one of two ways. Every message is first read and checked by
// package message, which answers what is broken, and then goes through sipgo to
// a handler. The boring REGISTER of a phone over UDP is recognised before that
// and takes the fast way. Both end in the same registrar. Where to look:
// udp.go and tcp.go have the listeners, gate.go the checks, fast.go and
// handlers.go the two ways, registrar.go and decide.go RFC 3261 section 10.3,
// upkeep.go what ends registrations without a request.
package sip
