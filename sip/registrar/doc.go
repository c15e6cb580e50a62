// Package registrar serves REGISTER (RFC 3261 §10.3) and ends registrations: by
// request, lifetime, connection, configuration or a peer's newer claim. It is
// the only writer of the location store, and of the own side of the table as
// far as DNs of kind sip go. Both ways in end in Registrar.Serve: the plain one
// through the gate and sipgo, and Fast, which reads a boring REGISTER over UDP
// in one pass. It opens no socket and knows no call.
package registrar
