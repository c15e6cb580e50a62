package route

import (
	"slices"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Onward is how a request to a URI by a Route list is written (RFC 3261 §16.6 step 6): as it
// is, or, where the first entry is a strict router's, which has no lr, with that as the
// Request-URI and the real one at the end of the list. It says nothing of where the request
// goes.
func Onward(uri []byte, list [][]byte) ([]byte, [][]byte) {
	if len(list) == 0 {
		return uri, list
	}
	first, ok := message.ParseAddress(list[0])
	u, is := message.ParseURI(first.URI)
	if !ok || !is || !u.IsSIP() || loose(u.Params) || loose(first.Params) {
		return uri, list
	}
	return message.RequestURI(first.URI), append(slices.Clone(list[1:]), slices.Concat([]byte("<"), uri, []byte(">")))
}

// loose tells whether there is lr among the parameters; where a URI has no brackets they
// seem to be those of the entry.
func loose(params []byte) bool {
	_, is := message.Param(params, "lr")
	return is
}
