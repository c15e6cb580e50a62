package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// way is one of rules.yaml, as far as its path and its query may contradict each other.
type way struct {
	method string
	path   *regexp.Regexp
	in     protoreflect.MessageDescriptor
	names  []string
}

var variable = regexp.MustCompile(`\\{([a-z_]+)\\}`)

// unambiguous refuses queries that can't be read, that say something twice, or that name
// another thing than the path: who stands before a node judges by the path.
func unambiguous(rules []*annotations.HttpRule, next http.Handler) http.Handler {
	var ways []way
	for _, r := range rules {
		d, _ := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(r.GetSelector()))
		m, ok := d.(protoreflect.MethodDescriptor)
		if !ok {
			continue // the transcoder says so
		}
		for verb, path := range map[string]string{http.MethodGet: r.GetGet(), http.MethodPost: r.GetPost(), http.MethodDelete: r.GetDelete()} {
			if path == "" {
				continue
			}
			w := way{method: verb, in: m.Input(), path: regexp.MustCompile("^" + variable.ReplaceAllString(regexp.QuoteMeta(path), "[^/]*") + "$")}
			for _, found := range variable.FindAllStringSubmatch(regexp.QuoteMeta(path), -1) {
				w.names = append(w.names, found[1])
			}
			ways = append(ways, w)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		for _, way := range ways {
			if err == nil && way.method == r.Method && way.path.MatchString(r.URL.Path) {
				err = once(way.in, query, way.names)
			}
		}
		if err != nil {
			fail(w, codes.InvalidArgument, err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// once refuses a query that gives a field twice that is no list, or one that the path has.
func once(in protoreflect.MessageDescriptor, query url.Values, path []string) error {
	for name, values := range query {
		f, at := protoreflect.FieldDescriptor(nil), in
		for part := range strings.SplitSeq(name, ".") {
			if at == nil {
				break // whoever reads it says that there is no such field
			}
			if f = at.Fields().ByName(protoreflect.Name(part)); f == nil {
				f = at.Fields().ByJSONName(part)
			}
			if at = nil; f != nil {
				at = f.Message()
			}
		}
		switch {
		case f != nil && f.Parent() == in && slices.Contains(path, string(f.Name())):
			return fmt.Errorf("%s is in the path", f.Name())
		case f != nil && !f.IsList() && len(values) > 1:
			return fmt.Errorf("%s is given twice", name)
		}
	}
	return nil
}
