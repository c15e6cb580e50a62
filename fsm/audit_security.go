package fsm

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// describeSecurity says which keys and authorities came, are used, and went: ": " and a
// list; "" when none did.
func describeSecurity(before, after *configpb.Security) string {
	changed := describeParts("gossip key", ring(before.GetGossip()), ring(after.GetGossip()))
	changed = append(changed, describeParts("route key", ring(before.GetRoutes()), ring(after.GetRoutes()))...)
	changed = append(changed, describeParts("authority", authorities(before), authorities(after))...)
	if len(changed) == 0 {
		return ""
	}
	return ": " + strings.Join(changed, ", ")
}

// parts are the names of several things of which one is in use.
type parts struct {
	names []string
	used  string
}

func ring(r *configpb.Keyring) (p parts) {
	for _, k := range r.GetKeys() {
		p.names = append(p.names, fmt.Sprint(k.GetId()))
	}
	p.used = fmt.Sprint(r.GetPrimary())
	return p
}

func authorities(s *configpb.Security) (p parts) {
	for _, a := range s.GetAuthorities() {
		p.names = append(p.names, fmt.Sprintf("%.4x", sha256.Sum256(a.GetCertificate())))
	}
	if len(p.names) > 0 {
		p.used = p.names[0]
	}
	return p
}

func describeParts(what string, before, after parts) (changed []string) {
	say := func(name, became string) { changed = append(changed, what+" "+name+" "+became) }
	for _, name := range after.names {
		if !slices.Contains(before.names, name) {
			say(name, "added")
		}
	}
	if after.used != before.used {
		say(after.used, "used")
	}
	for _, name := range before.names {
		if !slices.Contains(after.names, name) {
			say(name, "dropped")
		}
	}
	return changed
}
