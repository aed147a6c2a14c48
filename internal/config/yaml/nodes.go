package yaml

import (
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Mapping gives the pairs of a mapping, whose kind depends on how many they are.
func Mapping(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// Start is the first token of a node; that of a mapping itself is its first colon.
func Start(node ast.Node) *token.Token {
	if pairs, ok := Mapping(node); ok && len(pairs) > 0 {
		return pairs[0].Key.GetToken()
	}
	return node.GetToken()
}

// IsNull tells a key without a value.
func IsNull(node ast.Node) bool {
	_, null := node.(*ast.NullNode)
	return node == nil || null
}

// Kind says what a node is, for people.
func Kind(node ast.Node) string {
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a group of keys"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.StringNode:
		if len(n.Value) <= 40 {
			return "the text " + strconv.Quote(n.Value)
		}
	}
	return "text"
}
