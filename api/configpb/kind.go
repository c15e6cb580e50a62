// Package configpb is the configuration as clients see it: its messages, the
// words of its kinds and the rules of its names.
package configpb

// words of the kinds, as clients, documents and the command line know them.
var kindWords = [...]string{
	DNKind_DN_KIND_SIP: "sip", DNKind_DN_KIND_PSTN: "pstn",
	DNKind_DN_KIND_ROUTING_POINT: "routing-point", DNKind_DN_KIND_TRUNK: "trunk", DNKind_DN_KIND_FEATURE: "feature",
}

// Word is "sip", "pstn", "routing-point", "trunk" or "feature"; "" for no or an unknown kind.
func (k DNKind) Word() string {
	if k < 0 || int(k) >= len(kindWords) {
		return ""
	}
	return kindWords[k]
}

// KindOf is the kind with that word; DN_KIND_UNSPECIFIED when there is none.
func KindOf(word string) DNKind {
	for k, w := range kindWords {
		if w == word {
			return DNKind(k)
		}
	}
	return DNKind_DN_KIND_UNSPECIFIED
}
