package configpb

import (
	"fmt"
	"strings"
)

// RoleName is how people write a role: "admin"; "none" for an unknown one.
func RoleName(r Role) string {
	if r <= Role_ROLE_UNSPECIFIED || Role_name[int32(r)] == "" {
		return "none"
	}
	return strings.ToLower(strings.TrimPrefix(r.String(), "ROLE_"))
}

// ParseRole is RoleName undone; false for what is no role.
func ParseRole(name string) (Role, bool) {
	for i := range Role_name {
		if r := Role(i); r != Role_ROLE_UNSPECIFIED && RoleName(r) == name {
			return r, true
		}
	}
	return Role_ROLE_UNSPECIFIED, false
}

// RoleNames are all of them, the most powerful first.
func RoleNames() []string {
	var names []string
	for r := Role_ROLE_ADMIN; Role_name[int32(r)] != ""; r++ {
		names = append(names, RoleName(r))
	}
	return names
}

// Who is who gave a command, in English; itself is what a node is called that did by itself.
func Who(a *Actor, itself string) string {
	who := itself
	switch {
	case a.GetToken() != "":
		who = fmt.Sprintf("%s (%s, token %s)", a.GetName(), RoleName(a.GetRole()), a.GetToken())
	case a.GetSource() != "":
		who = "somebody"
	}
	if a.GetSource() != "" {
		who += " from " + a.GetSource()
	}
	return who
}
