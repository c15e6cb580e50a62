package route

import "github.com/sipcluster/sipcluster/node/dn"

// Transfer is what a node says of a call that somebody is asked to make, to the node at
// which that arrives.
type Transfer struct {
	// Call is the ConnID of the call in which he is asked, Previous of the one that is to
	// be replaced, "" for none.
	Call, Previous string
	// By is the phone that asks.
	By dn.Number
	// Minute in which it does, since the epoch.
	Minute uint32
}

// asTransfer stands for a Call-ID, which none is: so no Transfer is a token of a dialog,
// nor the other way round.
var asTransfer = []byte("\x00transfer")

// SealTransfer writes a Transfer, as text that may be in a URI.
func (r *Ring) SealTransfer(t *Transfer) []byte {
	return r.Encode(&Token{Purpose: Deliver, Node: dn.Node(t.Previous), Number: t.By, Call: t.Call, Minute: t.Minute}, asTransfer, nil)
}

// OpenTransfer reads one; not ok: this cluster has not written it, or long ago.
func (r *Ring) OpenTransfer(text []byte) (t Transfer, ok bool) {
	k, _, ok := r.decode(text, &Dialog{CallID: asTransfer}, fromCaller)
	if !ok || k.Retired {
		return t, false
	}
	return Transfer{Call: k.Call, Previous: string(k.Node), By: k.Number, Minute: k.Minute}, true
}
