package main

import "testing"

// TestEvents_Follow tells what has happened, then what happens, each thing once, also behind a
// lost connection.
func TestEvents_Follow(t *testing.T) {
	o, _, _, _ := callsNode(t)
	relay := newRelay(t, o.addr)
	w := operator{t, relay.addr}.begins("events", "--follow", "--dn", "1002", "--kind", "state", "--kind", "configuration", "-o", "json")
	w.comes(t, `"kind":"configuration"`)
	w.comes(t, `"kind":"state","dn":"1002","change":{"state":"InSrv"`)
	o.does("", "dn", "put", "1002", "--disabled")
	w.comes(t, `"state":"OOS","reason":"admin"`)
	relay.hangUp()
	o.does("", "dn", "put", "1002", "--group", "night")
	w.comes(t, `"changes":["put dn 1002`)
	w.ends(t)
}
