// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debian's libelf.a (0.192) refers to two functions of elfutils' private library, which is not packaged. They set up and
 * clear a search tree that only elf_getdata_rawchunk() fills; nothing here calls that, so the tree stays empty.
 */
void eu_search_tree_init(void *tree);
void eu_search_tree_fini(void *tree, void (*free_node)(void *node));

void __attribute__((weak)) eu_search_tree_init(void *tree)
{
	(void)tree;
}

void __attribute__((weak)) eu_search_tree_fini(void *tree, void (*free_node)(void *node))
{
	(void)tree, (void)free_node;
}
