// Package gruu is the URI that leads to one phone of a DN and to no other, from every node
// and whatever the phone's address is by then: the public GRUU of RFC 5627, which is the
// DN's address with the phone's instance (RFC 5626 §4.1) as parameter gr. It holds as long
// as the phone is registered, and no node keeps anything for it. Temporary ones are not
// given.
//
// The registrar writes it, the proxy reads it.
package gruu

import (
	"bytes"
	"fmt"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Option is the option tag by which a phone asks for one.
const Option = "gruu"

// param begins the parameter of a URI.
const param = ";gr="

// AppendParam writes the Contact parameter with the GRUU of a phone at a DN. It writes
// nothing for a phone that does not say which one it is.
func AppendParam(dst []byte, n dn.Number, realm string, contact *location.Binding) []byte {
	id := instance([]byte(contact.Params))
	if len(id) == 0 {
		return dst
	}
	dst = escape(append(dst, `;pub-gruu="sip:`...), []byte(n))
	dst = append(append(append(dst, '@'), realm...), param...)
	return append(escape(dst, id), '"')
}

// instance is the one in the parameters of a Contact, without quotes and brackets.
func instance(params []byte) []byte {
	v, _ := message.Param(params, "+sip.instance")
	v = bytes.TrimSuffix(bytes.TrimPrefix(message.Unquoted(v), []byte("<")), []byte(">"))
	if bytes.ContainsAny(v, `"\<>`) {
		return nil
	}
	return v
}

// escape writes what may stand in a parameter of a URI as it is, other bytes as %HH.
func escape(dst, v []byte) []byte {
	for _, c := range v {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("-_.!~*'()[]/:&+$"), c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = fmt.Appendf(dst, "%%%02X", c)
		}
	}
	return dst
}

// Of is the parameter, its ';' included, of a URI that is a GRUU of a DN; nil of another.
func Of(uri []byte, n dn.Number) []byte {
	u, ok := message.ParseURI(uri)
	if len(u.Params) == 0 {
		return nil
	}
	v, _ := message.Param(u.Params, "gr")
	if !ok || len(v) == 0 || string(message.AppendUnescaped(nil, u.User)) != string(n) {
		return nil
	}
	return append([]byte(param), v...)
}

// Names tells whether the parameter is that of the phone at a binding.
func Names(of []byte, b *location.Binding) bool {
	id := instance([]byte(b.Params))
	return len(id) > 0 && bytes.EqualFold(message.AppendUnescaped(nil, of[len(param):]), id)
}
