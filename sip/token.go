package sip

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"net/netip"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// purpose says what a token stands for.
type purpose byte

const (
	// toDeliver: the node that reads it delivers the request to its DN.
	toDeliver purpose = 1 + iota
	// toPhone: requests of the dialog go down a phone's flow (RFC 5626 §5.3).
	toPhone
	// toTrunk: they go to the gateway, or the contact that it gave.
	toTrunk
)

// token is the user part of the node's own Route URIs. It makes a request
// trusted, so nobody can write one without the cluster's secret, and it holds
// only along with its Call-ID: one that was seen serves for nothing else. It
// does not expire, because the nodes' clocks need not agree; its call ends.
type token struct {
	purpose purpose
	// node made the token, and its Route URI leads there.
	node   dn.Node
	number dn.Number
	// transport and addr are the phone's flow, or the gateway.
	transport location.Transport
	addr      netip.AddrPort
}

const (
	macLen = 12
	// maxToken bounds what is decoded: two names, an address, and the rest.
	maxToken = 3 + 255 + 255 + 1 + 18 + macLen
)

// mint makes and reads tokens.
type mint struct{ macs sync.Pool }

func newMint(secret []byte) *mint {
	key := sha256.Sum256(append([]byte("sipcluster route token\x00"), secret...))
	return &mint{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key[:]) }}}
}

// encode writes the token of a call.
func (t *mint) encode(k *token, callID []byte) []byte {
	raw := make([]byte, 0, 96)
	raw = append(raw, byte(k.purpose), byte(k.transport), byte(len(k.node)))
	raw = append(raw, k.node...)
	raw = append(raw, byte(len(k.number)))
	raw = append(raw, k.number...)
	raw, _ = k.addr.AppendBinary(raw) // never fails
	raw = append(raw, t.sum(raw, callID)...)
	return base64.RawURLEncoding.AppendEncode(nil, raw)
}

// decode reads a token; false for one that is forged or another call's.
func (t *mint) decode(user, callID []byte) (k token, ok bool) {
	if len(user) > base64.RawURLEncoding.EncodedLen(maxToken) {
		return k, false
	}
	raw, err := base64.RawURLEncoding.Strict().AppendDecode(nil, user)
	if err != nil || len(raw) < 4+macLen {
		return k, false
	}
	body, mac := raw[:len(raw)-macLen], raw[len(raw)-macLen:]
	if subtle.ConstantTimeCompare(mac, t.sum(body, callID)) != 1 {
		return k, false
	}
	return k, k.read(body)
}

// read takes the fields out of what was signed.
func (k *token) read(b []byte) bool {
	k.purpose, k.transport, b = purpose(b[0]), location.Transport(b[1]), b[2:]
	for _, name := range []func(string){func(s string) { k.node = dn.Node(s) }, func(s string) { k.number = dn.Number(s) }} {
		if len(b) == 0 || len(b)-1 < int(b[0]) {
			return false
		}
		name(string(b[1 : 1+b[0]]))
		b = b[1+b[0]:]
	}
	return k.addr.UnmarshalBinary(b) == nil
}

func (t *mint) sum(body, callID []byte) []byte {
	h := t.macs.Get().(hash.Hash)
	defer t.macs.Put(h)
	h.Reset()
	h.Write(body)
	h.Write(callID)
	// The length keeps what ends the one from beginning the other.
	h.Write([]byte{byte(len(body)), byte(len(body) >> 8)})
	return h.Sum(nil)[:macLen]
}
